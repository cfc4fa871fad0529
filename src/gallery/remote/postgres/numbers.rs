//! Embeddings on the wire: pgvector's binary form of `halfvec` and `vector`.
//!
//! Two bytes for the length, two that are not used, then the numbers, all with the high byte first.

use std::error::Error;

use half::f16;
use postgres::types::private::BytesMut;
use postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// An embedding; the type that the server asks for decides its precision.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers(pub Vec<f32>);

/// A number as 16 bits hold it.
pub fn halved(x: f32) -> f32 {
    f16::from_f32(x).to_f32()
}

impl ToSql for Numbers {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&u16::try_from(self.0.len())?.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        for &x in &self.0 {
            if ty.name() == "halfvec" {
                out.extend_from_slice(&f16::from_f32(x).to_bits().to_be_bytes());
            } else {
                out.extend_from_slice(&x.to_be_bytes());
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        known(ty)
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Numbers {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let [high, low, _, _, numbers @ ..] = raw else { return Err("an embedding without a length".into()) };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let width = if ty.name() == "halfvec" { 2 } else { 4 };
        if numbers.len() != length * width {
            return Err(format!("an embedding of {length} numbers in {} bytes", numbers.len()).into());
        }
        let number = |bytes: &[u8]| match *bytes {
            [a, b] => f16::from_bits(u16::from_be_bytes([a, b])).to_f32(),
            [a, b, c, d] => f32::from_be_bytes([a, b, c, d]),
            _ => 0.0, // chunks_exact gives only the two above
        };
        Ok(Self(numbers.chunks_exact(width).map(number).collect()))
    }

    fn accepts(ty: &Type) -> bool {
        known(ty)
    }
}

fn known(ty: &Type) -> bool {
    matches!(ty.name(), "halfvec" | "vector")
}

#[cfg(test)]
mod tests {
    use super::*;
    use postgres::types::Kind;
    use proptest::prelude::*;

    fn ty(name: &str) -> Type {
        Type::new(name.into(), 0, Kind::Simple, "public".into())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers in prop::collection::vec(-60000f32..60000.0, 0..40)) {
            for (name, expected) in [
                ("vector", numbers.clone()),
                ("halfvec", numbers.iter().map(|x| halved(*x)).collect()),
            ] {
                let mut bytes = BytesMut::new();
                Numbers(numbers.clone()).to_sql(&ty(name), &mut bytes).unwrap();
                prop_assert_eq!(Numbers::from_sql(&ty(name), &bytes).unwrap().0, expected);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Numbers::from_sql(&ty("halfvec"), &bytes);
            let _ = Numbers::from_sql(&ty("vector"), &bytes);
        }
    }
}
