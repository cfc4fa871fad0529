//! TensorBoard's event files, as far as a run needs them: scalars, images and the mark of a resumed run.
//!
//! An event file is a row of TFRecords (length, masked CRC of the length, payload, masked CRC of the payload), each one
//! `Event` protobuf. Fields used: Event {1 wall_time, 2 step, 3 file_version, 5 summary, 7 session_log},
//! Summary {1 value}, Value {1 tag, 2 simple_value, 4 image}, Image {1 height, 2 width, 3 colorspace, 4 encoded},
//! SessionLog {1 status}.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use image::{ImageFormat, RgbImage};

use super::event::{StepRecord, ValidationRecord};
use crate::{Error, Result};

/// An event file, open for appending.
pub struct EventFile {
    file: File,
    path: PathBuf,
}

impl EventFile {
    /// Starts a new event file in `folder`. With `resumed_at` set, TensorBoard is told to forget what earlier files say
    /// about later steps.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn create(folder: &Path, resumed_at: Option<u64>) -> Result<Self> {
        let (file, path) = next_file(folder)?;
        let mut events = Self { file, path };
        let mut version = Message::default();
        version.bytes(3, b"brain.Event:2");
        events.write(0, version)?;
        if let Some(step) = resumed_at {
            let mut start = Message::default();
            start.varint(1, 1); // SessionLog.START
            let mut event = Message::default();
            event.bytes(7, &start.0);
            // TensorBoard forgets events at this step *and later*: `resumed_at` itself has been done.
            events.write(step + 1, event)?;
        }
        Ok(events)
    }

    /// The losses and learning rates of one step.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn step(&mut self, record: &StepRecord) -> Result<()> {
        let mut values = vec![
            ("loss/total".into(), record.total),
            ("loss/reconstruction".into(), record.rec),
            ("loss/classification".into(), record.cls),
            ("loss/triplet".into(), record.tri),
            ("loss/adversarial".into(), record.adv),
            ("loss/discriminator".into(), record.disc),
            ("optim/lr".into(), record.lr),
            ("optim/lr_discriminator".into(), record.lr_discriminator),
            ("speed/images_per_second".into(), record.images_per_second),
            ("gradient/extractor".into(), record.gradients.extractor),
            ("gradient/decoder".into(), record.gradients.decoder),
            ("gradient/classifier".into(), record.gradients.classifier),
            ("gradient/discriminators".into(), record.gradients.discriminators),
        ];
        for accuracy in &record.accuracy {
            values.push((format!("discriminator/accuracy on HR at level {}", accuracy.level), accuracy.hr));
            values.push((format!("discriminator/accuracy on LR at level {}", accuracy.level), accuracy.lr));
        }
        self.scalars(record.step, &values)
    }

    /// The figures of one validation, in percent.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn validation(&mut self, record: &ValidationRecord) -> Result<()> {
        let mut values = vec![("validation/rank1".into(), record.rank1), ("validation/mAP".into(), record.map)];
        for figures in &record.by_rate {
            values.push((format!("validation/rank1 at r = {}", figures.rate), figures.rank1));
            values.push((format!("validation/mAP at r = {}", figures.rate), figures.map));
        }
        self.scalars(record.step, &values)
    }

    /// Named values of one step.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn scalars(&mut self, step: u64, values: &[(String, f64)]) -> Result<()> {
        let mut summary = Message::default();
        for (tag, value) in values {
            let mut entry = Message::default();
            entry.bytes(1, tag.as_bytes());
            entry.float(2, *value as f32);
            summary.bytes(1, &entry.0);
        }
        self.summary(step, &summary)
    }

    /// A named image of one step.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn image(&mut self, step: u64, tag: &str, image: &RgbImage) -> Result<()> {
        let mut png = std::io::Cursor::new(Vec::new());
        image
            .write_to(&mut png, ImageFormat::Png)
            .map_err(|e| Error::io("write", &self.path, std::io::Error::other(e)))?;
        let mut picture = Message::default();
        picture.varint(1, u64::from(image.height()));
        picture.varint(2, u64::from(image.width()));
        picture.varint(3, 3); // RGB
        picture.bytes(4, &png.into_inner());
        let mut entry = Message::default();
        entry.bytes(1, tag.as_bytes());
        entry.bytes(4, &picture.0);
        let mut summary = Message::default();
        summary.bytes(1, &entry.0);
        self.summary(step, &summary)
    }

    fn summary(&mut self, step: u64, summary: &Message) -> Result<()> {
        let mut event = Message::default();
        event.bytes(5, &summary.0);
        self.write(step, event)
    }

    /// Frames one event and appends it in a single write.
    fn write(&mut self, step: u64, content: Message) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut event = Message::default();
        event.double(1, now.as_secs_f64());
        event.varint(2, step);
        event.0.extend(content.0);

        let length = (event.0.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(event.0.len() + 16);
        record.extend(length);
        record.extend(masked_crc(&length).to_le_bytes());
        record.extend(&event.0);
        record.extend(masked_crc(&event.0).to_le_bytes());
        self.file.write_all(&record).map_err(|e| Error::io("write", &self.path, e))
    }
}

/// TensorBoard reads the event files of a folder in the order of their names: so they are numbered.
fn next_file(folder: &Path) -> Result<(File, PathBuf)> {
    let mut number = 0;
    loop {
        let path = folder.join(format!("events.out.tfevents.{number:06}.rain"));
        match OpenOptions::new().append(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(Error::io("create", path, error)),
        }
    }
}

/// TFRecord's checksum: CRC-32C, rotated and shifted so that a checksum of checksums stays useful.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A protobuf message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u64, wire: u64) {
        self.raw_varint(field << 3 | wire);
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn varint(&mut self, field: u64, value: u64) {
        self.key(field, 0);
        self.raw_varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.key(field, 2);
        self.raw_varint(value.len() as u64);
        self.0.extend(value);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One decoded protobuf field: its number, and its bytes (varints as 8 little-endian bytes).
    type Field = (u64, Vec<u8>);

    fn varint(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    fn fields(mut bytes: &[u8]) -> Vec<Field> {
        let mut out = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let length = match key & 7 {
                0 => {
                    out.push((key >> 3, varint(&mut bytes).to_le_bytes().to_vec()));
                    continue;
                }
                1 => 8,
                2 => varint(&mut bytes) as usize,
                5 => 4,
                wire => panic!("wire type {wire}"),
            };
            out.push((key >> 3, bytes[..length].to_vec()));
            bytes = &bytes[length..];
        }
        out
    }

    fn get(fields: &[Field], number: u64) -> Option<&[u8]> {
        fields.iter().find(|(n, _)| *n == number).map(|(_, bytes)| &bytes[..])
    }

    /// The events of a file as fields, checksums verified.
    fn events(path: &Path) -> Vec<Vec<Field>> {
        let bytes = std::fs::read(path).unwrap();
        let mut rest = &bytes[..];
        let mut out = Vec::new();
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            assert_eq!(rest[8..12], masked_crc(&rest[..8]).to_le_bytes());
            let payload = &rest[12..12 + length];
            assert_eq!(rest[12 + length..16 + length], masked_crc(payload).to_le_bytes());
            out.push(fields(payload));
            rest = &rest[16 + length..];
        }
        out
    }

    #[test]
    fn the_checksum_is_the_published_one() {
        // RFC 3720: CRC-32C of 32 zero bytes is 0x8a9136aa; masked by hand as TensorFlow's crc32c.h does.
        assert_eq!(masked_crc(&[0; 32]), 0x0fd7_fffa);
    }

    #[test]
    fn scalars_and_images_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = EventFile::create(folder.path(), None).unwrap();
        file.scalars(300, &[("loss/total".into(), 2.5), ("loss/größe".into(), -1.0)]).unwrap();
        let picture = RgbImage::from_fn(5, 3, |x, y| image::Rgb([x as u8, y as u8, 200]));
        file.image(301, "samples/0", &picture).unwrap();

        let events = events(&file.path);
        assert_eq!(get(&events[0], 3), Some(&b"brain.Event:2"[..]));
        assert_eq!(get(&events[1], 2), Some(&300u64.to_le_bytes()[..]));
        let values = fields(get(&events[1], 5).unwrap());
        let (first, second) = (fields(&values[0].1), fields(&values[1].1));
        assert_eq!(get(&first, 1), Some(&b"loss/total"[..]));
        assert_eq!(get(&first, 2), Some(&2.5f32.to_le_bytes()[..]));
        assert_eq!(get(&second, 1), Some("loss/größe".as_bytes()));
        assert_eq!(get(&second, 2), Some(&(-1f32).to_le_bytes()[..]));

        let value = fields(&fields(get(&events[2], 5).unwrap())[0].1);
        let decoded = fields(get(&value, 4).unwrap());
        assert_eq!(get(&decoded, 1), Some(&3u64.to_le_bytes()[..]));
        assert_eq!(get(&decoded, 2), Some(&5u64.to_le_bytes()[..]));
        assert_eq!(image::load_from_memory(get(&decoded, 4).unwrap()).unwrap().to_rgb8(), picture);
    }

    #[test]
    fn a_resumed_run_starts_its_own_file_with_a_purge() {
        let folder = tempfile::tempdir().unwrap();
        let first = EventFile::create(folder.path(), None).unwrap();
        let second = EventFile::create(folder.path(), Some(10)).unwrap();
        assert!(first.path < second.path);
        let events = events(&second.path);
        assert_eq!(get(&events[1], 2), Some(&11u64.to_le_bytes()[..]));
        assert_eq!(fields(get(&events[1], 7).unwrap()), [(1, 1u64.to_le_bytes().to_vec())]);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = EventFile::create(Path::new("/nowhere/run"), None).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("/nowhere/run"), "{error}");
    }
}
