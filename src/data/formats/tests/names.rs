//! What a file's name tells.

use proptest::prelude::*;

use super::*;

#[test]
fn names_tell_identity_and_camera() {
    for (name, expected) in [
        ("0002_c1s1_000451_03.jpg", (2, 1)),
        ("x/y/1501_c6s4_002877_01.jpg.jpg", (1501, 6)),
        ("-1_c3s2_000001_00.jpg", (-1, 3)),
        ("0000_c2s1_000001_00.jpg", (0, 2)),
        ("0005_c12_f0046182.jpg", (5, 12)),
        ("-2_c1s1.jpg", (-1, -1)),
        ("_c1.jpg", (-1, -1)),
        ("12_cx.jpg", (-1, -1)),
        ("99999999999999999999_c1.jpg", (-1, -1)),
        ("photo.jpg", (-1, -1)),
        ("..", (-1, -1)),
    ] {
        assert_eq!(identity_and_camera(Path::new(name)), expected, "{name}");
    }
    for (name, expected) in [
        ("0002_c1s1_000451_03.jpg", Some(451)),
        ("-1_c3s2_000001_00.jpg", Some(1)),
        ("0005_c12_f0046182.jpg", Some(46182)),
        ("0009_c4_3.png", None),
        ("0009_c4s_3.png", None),
        ("0009_c4s1.png", None),
        ("0009_c4s1_x.png", None),
        ("photo.jpg", None),
    ] {
        assert_eq!(frame_in(Path::new(name)), expected, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn written_names_are_read_back(identity in 0i64..100_000, camera in 0i64..1_000, tail in "(s[0-9])?_[0-9a-z_]{0,8}") {
        let name = format!("{identity:04}_c{camera}{tail}.jpg");
        prop_assert_eq!(identity_and_camera(Path::new(&name)), (identity, camera));
    }

    #[test]
    fn any_name_gets_an_answer(name in "\\PC{0,20}|[-0-9_cs]{0,12}") {
        let (identity, camera) = identity_and_camera(Path::new(&name));
        prop_assert!(identity >= UNKNOWN && camera >= UNKNOWN);
    }
}
