//! Market-1501's folders and file names, and which image goes where.

/// The three folders of the layout.
pub const FOLDERS: [&str; 3] = [TRAIN, QUERY, GALLERY];
/// Images to train on.
pub const TRAIN: &str = "bounding_box_train";
/// Queries of the test.
pub const QUERY: &str = "query";
/// The gallery of the test.
pub const GALLERY: &str = "bounding_box_test";

/// One image of a crowd: who, where, and which file. All numbers count from 0 here and from 1 in the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shot {
    /// Who is in it.
    pub identity: u64,
    /// Which camera took it.
    pub camera: u64,
    /// Which image of this identity it is.
    pub image: u64,
    /// The folder it belongs into.
    pub folder: &'static str,
}

impl Shot {
    /// The path below the data set's root, such as `query/0002_c1s1_000451_00.jpg`.
    pub fn path(&self) -> String {
        // A camera's clock: each identity passes by after the one before it. So no two names are alike.
        let frame = 25 * (self.identity * 40 + self.image) + self.camera * 7;
        format!("{}/{:04}_c{}s1_{frame:06}_00.jpg", self.folder, self.identity + 1, self.camera + 1)
    }
}

/// The shots of a crowd, identity by identity: `images` each, spread evenly over the cameras.
///
/// Every second identity is for training, the first one included. Of the others, the first image in each camera is a
/// query and the rest are gallery images. Where a camera has but one image of somebody, it goes to gallery and query by
/// turns, so that each query keeps a gallery image of the same identity in another camera.
pub fn shots(identities: u64, cameras: u64, images: u64) -> impl Iterator<Item = Shot> {
    (0..identities * images).map(move |i| {
        let (identity, image) = (i / images, i % images);
        // Where there are more cameras than images, each identity starts at another camera.
        let camera = (image + identity / 2) % cameras;
        let first = image < cameras;
        let single = first && image + cameras >= images;
        let folder = match identity % 2 {
            0 => TRAIN,
            // Cameras with a single image come last in a round: by turns from the first of them.
            _ if single && (image - images.saturating_sub(cameras)).is_multiple_of(2) => GALLERY,
            _ if first => QUERY,
            _ => GALLERY,
        };
        Shot { identity, camera, image, folder }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_crowd_has_one_query_a_camera() {
        let all: Vec<Shot> = shots(5, 4, 8).collect();
        assert_eq!(all.len(), 40);
        assert_eq!(all.iter().filter(|s| s.folder == TRAIN).count(), 24);
        assert_eq!(all.iter().filter(|s| s.folder == QUERY).count(), 8);
        assert_eq!(all[0].path(), "bounding_box_train/0001_c1s1_000000_00.jpg");
    }

    #[test]
    fn every_query_has_a_gallery_image_in_another_camera() {
        for cameras in 2..6 {
            for images in 2..14 {
                let all: Vec<Shot> = shots(12, cameras, images).collect();
                let queries: Vec<&Shot> = all.iter().filter(|s| s.folder == QUERY).collect();
                for id in (1..12).step_by(2) {
                    assert!(
                        queries.iter().any(|q| q.identity == id),
                        "{cameras} cameras, {images} images: no query of {id}"
                    );
                }
                for q in queries {
                    let found =
                        all.iter().any(|g| g.folder == GALLERY && g.identity == q.identity && g.camera != q.camera);
                    assert!(found, "{cameras} cameras, {images} images: {q:?}");
                }
            }
        }
    }

    #[test]
    fn no_two_names_are_alike() {
        let names: std::collections::HashSet<String> = shots(30, 3, 50).map(|s| s.path()).collect();
        assert_eq!(names.len(), 1500);
    }
}
