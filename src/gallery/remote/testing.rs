//! A gallery "on a server" that lies in memory, for tests: it can be rough, and it can go away.

use std::collections::BTreeMap;

use super::*;
use crate::gallery::distance::Comparer;
use crate::gallery::matrix::Matrix;

/// The stand-in.
pub struct Memory {
    address: Address,
    pub spec: Option<Spec>,
    pub rows: BTreeMap<Key, Row>,
    /// Calls of `put` so far.
    pub puts: usize,
    /// The `put` that breaks off half-way, from 1.
    pub breaks_at: Option<usize>,
    /// Calls that fail from now on.
    pub away: usize,
    /// Steps of this size are all that its distances have.
    pub step: f32,
    /// Calls of `nearest` so far.
    pub asked: usize,
}

impl Memory {
    pub fn new() -> Self {
        Self {
            address: "milvus+http://127.0.0.1:1".parse().unwrap(),
            spec: None,
            rows: BTreeMap::new(),
            puts: 0,
            breaks_at: None,
            away: 0,
            step: 0.0,
            asked: 0,
        }
    }

    fn here(&mut self) -> Result<(), Fault> {
        if self.away > 0 {
            self.away -= 1;
            return Err(Fault::Away("connection refused".into()));
        }
        Ok(())
    }
}

impl RemoteGallery for Memory {
    fn address(&self) -> &Address {
        &self.address
    }

    fn greet(&mut self) -> Result<String, Fault> {
        self.here().map(|()| "Memory".into())
    }

    fn status(&mut self) -> Result<Option<Status>, Fault> {
        self.here()?;
        let rows = self.rows.len() as u64;
        Ok(self.spec.clone().map(|spec| Status { spec, rows, bytes: None }))
    }

    fn create(&mut self, spec: &Spec) -> Result<(), Fault> {
        self.here()?;
        self.spec.get_or_insert(spec.clone());
        Ok(())
    }

    fn present(&mut self, keys: &[Key]) -> Result<Vec<Key>, Fault> {
        self.here()?;
        Ok(keys.iter().copied().filter(|key| self.rows.contains_key(key)).collect())
    }

    fn put(&mut self, _spec: &Spec, rows: &[Row]) -> Result<(), Fault> {
        self.here()?;
        self.puts += 1;
        let breaks = self.breaks_at == Some(self.puts);
        let whole = if breaks { rows.len() / 2 } else { rows.len() };
        self.rows.extend(rows[..whole].iter().map(|row| (row.key, row.clone())));
        if breaks { Err(Fault::Away("the connection broke".into())) } else { Ok(()) }
    }

    fn settle(&mut self, _spec: &Spec) -> Result<(), Fault> {
        self.here()
    }

    fn nearest(&mut self, spec: &Spec, question: &Question<'_>) -> Result<Vec<Found>, Fault> {
        self.here()?;
        self.asked += 1;
        let filter = question.filter;
        let fits = |row: &&Row| filter.cameras.is_empty() || filter.cameras.contains(&row.camera);
        let rows: Vec<&Row> = self.rows.values().filter(fits).collect();
        let matrix = Matrix::new(spec.columns, rows.iter().flat_map(|row| row.embedding.clone()).collect());
        let exact = Comparer::new(&matrix, spec.measure).distances(question.query);
        let rough = |x: f32| if self.step > 0.0 { (x / self.step).floor() * self.step } else { x };
        let mut found: Vec<Found> =
            rows.iter().zip(exact).map(|(row, d)| Found { row: (*row).clone(), distance: rough(d) }).collect();
        found.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        found.truncate(question.top);
        Ok(found)
    }

    fn remove(&mut self, keys: &[Key]) -> Result<(), Fault> {
        self.here()?;
        keys.iter().for_each(|key| drop(self.rows.remove(key)));
        Ok(())
    }

    fn drop_gallery(&mut self) -> Result<(), Fault> {
        self.here()?;
        self.spec = None;
        self.rows.clear();
        Ok(())
    }

    fn slack(&self, _spec: &Spec, _query: &[f32]) -> f32 {
        self.step + 1e-6
    }
}
