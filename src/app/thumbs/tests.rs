use super::*;

const SMALL: u32 = 192;

fn image(side: u32) -> Arc<RgbImage> {
    Arc::new(RgbImage::new(side, side))
}

#[test]
fn a_file_is_asked_for_once_and_then_drawn() {
    let (ctx, mut thumbs) = (Context::default(), Thumbs::default());
    let path = Path::new("a.png");
    assert_eq!(thumbs.file(path), Picture::Waiting);
    assert_eq!(thumbs.file(path), Picture::Waiting);
    assert!(matches!(thumbs.requests().as_slice(), [Command::Thumbnail { max_side: SMALL, .. }]));
    thumbs.arrived(path.into(), SMALL, Ok(image(8)));
    thumbs.begin_frame(&ctx);
    assert!(matches!(thumbs.file(path), Picture::Ready { size, .. } if size == vec2(8.0, 8.0)));
    assert!(thumbs.requests().is_empty());
}

#[test]
fn a_larger_card_asks_for_a_sharper_thumbnail_and_shows_the_small_one_meanwhile() {
    let (ctx, mut thumbs) = (Context::default(), Thumbs::default());
    let path = Path::new("a.png");
    thumbs.file(path);
    thumbs.arrived(path.into(), SMALL, Ok(image(8)));
    thumbs.begin_frame(&ctx);
    thumbs.requests();
    assert!(matches!(thumbs.at_width(path, 300.0), Picture::Ready { .. }));
    assert!(matches!(thumbs.requests().as_slice(), [Command::Thumbnail { max_side: 384, .. }]));
}

#[test]
fn a_broken_file_keeps_its_reason_and_is_not_asked_for_again() {
    let mut thumbs = Thumbs::default();
    let path = Path::new("a.png");
    thumbs.file(path);
    thumbs.requests();
    thumbs.arrived(path.into(), SMALL, Err("truncated".into()));
    assert_eq!(thumbs.file(path), Picture::Broken("truncated".into()));
    assert_eq!(thumbs.close(path), Err("truncated".into()));
    assert!(thumbs.requests().is_empty());
}

#[test]
fn a_frame_uploads_no_more_than_its_limit() {
    let (ctx, mut thumbs) = (Context::default(), Thumbs::default());
    for i in 0..UPLOADS * 2 {
        thumbs.arrived(format!("{i}.png").into(), SMALL, Ok(image(4)));
    }
    thumbs.begin_frame(&ctx);
    assert_eq!(thumbs.usage().thumbnails, UPLOADS);
    assert_eq!(thumbs.memory(&ctx, &image(4), true), Picture::Waiting);
    thumbs.begin_frame(&ctx);
    assert_eq!(thumbs.usage().thumbnails, UPLOADS * 2);
}

#[test]
fn memory_stays_within_what_is_said() {
    let (ctx, mut thumbs) = (Context::default(), Thumbs::default());
    for i in 0..2000 {
        thumbs.arrived(format!("{i}.png").into(), SMALL, Ok(image(90)));
        thumbs.memory(&ctx, &image(300), i % 2 == 0);
        thumbs.begin_frame(&ctx);
    }
    thumbs.begin_frame(&ctx);
    thumbs.begin_frame(&ctx);
    let usage = thumbs.usage();
    assert!(usage.bytes <= usage.most, "{usage:?}");
    assert_eq!(thumbs.bytes, thumbs.own.values().map(|e| e.bytes).sum::<usize>());
}

#[test]
fn what_is_looked_at_closely_is_kept_while_it_is_looked_at() {
    let mut thumbs = Thumbs::default();
    let first = Path::new("first.png");
    assert_eq!(thumbs.close(first), Ok(None));
    assert!(matches!(thumbs.requests().as_slice(), [Command::Thumbnail { max_side: CLOSE_SIDE, .. }]));
    thumbs.arrived(first.into(), CLOSE_SIDE, Ok(image(8)));
    for i in 0..20 {
        assert!(thumbs.close(first).is_ok_and(|image| image.is_some()));
        thumbs.arrived(format!("{i}.png").into(), CLOSE_SIDE, Ok(image(8)));
    }
    assert_eq!(thumbs.close.len(), CLOSE);
}

#[test]
fn each_look_of_an_image_is_a_texture_of_its_own() {
    let (ctx, mut thumbs, source) = (Context::default(), Thumbs::default(), image(8));
    let bright = Look { tone: Tone { brightness: 0.5, ..Tone::default() }, ..Look::default() };
    let textures: HashSet<_> = [Look::default(), Look { crisp: true, ..Look::default() }, bright, Look::default()]
        .into_iter()
        .filter_map(|look| match thumbs.looked(&ctx, &source, look) {
            Picture::Ready { texture, .. } => Some(texture),
            _ => None,
        })
        .collect();
    assert_eq!(textures.len(), 3);
}
