//! Filling polygons by the exact area that they cover in each pixel.

/// Calls `paint(x, y, coverage)` for each pixel of `size` that the closed polygons made of `edges` cover; coverage is from 0 to 1.
/// What lies outside of `size` pixels is left out.
///
/// Signed areas are accumulated: each edge adds what lies to the right of it in its rows.
pub(super) fn fill(edges: &[[[f32; 2]; 2]], size: [usize; 2], paint: &mut impl FnMut(usize, usize, f32)) {
    let ends = edges.iter().flatten();
    let (low, high) = ends.fold(([f32::MAX; 2], [f32::MIN; 2]), |(low, high), p| {
        ([low[0].min(p[0]), low[1].min(p[1])], [high[0].max(p[0]), high[1].max(p[1])])
    });
    if !(low[0] <= high[0] && low[1] <= high[1]) {
        return;
    }
    let (left, top) = (low[0].floor(), low[1].floor());
    let (columns, rows) = ((high[0] - left) as usize + 2, (high[1] - top) as usize + 1);
    let mut area = vec![0.0f32; columns * rows + 1];
    for [a, b] in edges {
        add_edge([a[0] - left, a[1] - top], [b[0] - left, b[1] - top], columns, &mut area);
    }
    for row in 0..rows {
        let mut sum = 0.0f32;
        for column in 0..columns {
            sum += area[row * columns + column];
            let (x, y) = (left + column as f32, top + row as f32);
            let inside = x >= 0.0 && y >= 0.0 && (x as usize) < size[0] && (y as usize) < size[1];
            if inside && sum.abs() > 1.0 / 512.0 {
                paint(x as usize, y as usize, sum.abs().min(1.0));
            }
        }
    }
}

/// The edges of a closed polygon.
pub(super) fn edges(corners: impl IntoIterator<Item = [f32; 2]>) -> Vec<[[f32; 2]; 2]> {
    let corners: Vec<[f32; 2]> = corners.into_iter().collect();
    (0..corners.len()).map(|i| [corners[i], corners[(i + 1) % corners.len()]]).collect()
}

/// Adds the signed area right of the edge from `a` to `b`, as differences from pixel to pixel.
fn add_edge(a: [f32; 2], b: [f32; 2], columns: usize, area: &mut [f32]) {
    if a[1] == b[1] {
        return;
    }
    let (direction, [x0, y0], [x1, y1]) = if a[1] < b[1] { (1.0, a, b) } else { (-1.0, b, a) };
    let slope = (x1 - x0) / (y1 - y0);
    for row in y0 as usize..(y1.ceil() as usize) {
        let (top, bottom) = (y0.max(row as f32), y1.min(row as f32 + 1.0));
        let height = bottom - top;
        if height <= 0.0 {
            continue;
        }
        let (from, to) = (x0 + (top - y0) * slope, x0 + (bottom - y0) * slope);
        let (low, high) = if from < to { (from, to) } else { (to, from) };
        let (first, last) = (low as usize, (high as usize).min(columns - 2));
        let line = &mut area[row * columns..(row + 1) * columns];
        if first == last {
            let right = 1.0 - ((low + high) / 2.0 - first as f32);
            line[first] += direction * height * right;
            line[first + 1] += direction * height * (1.0 - right);
            continue;
        }
        // The share of the edge that has been passed at the right border of each pixel, integrated over the pixel.
        let integral = |x: f32| -> f32 {
            let t = (x - low).max(0.0);
            let span = high - low;
            if t < span { t * t / (2.0 * span) } else { t - span / 2.0 }
        };
        let mut before = 0.0;
        for (column, cell) in line.iter_mut().enumerate().take(last + 2).skip(first) {
            let covered = integral(column as f32 + 1.0) - integral(column as f32);
            *cell += direction * height * (covered - before);
            before = covered;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polygon_covers_its_area() {
        // A triangle of area 24, its corners between pixels.
        let corners = [[1.25, 1.5], [9.25, 1.5], [4.0, 7.5]];
        let edges = [0, 1, 2].map(|i| [corners[i], corners[(i + 1) % 3]]);
        let (mut sum, mut most) = (0.0, 0.0f32);
        fill(&edges, [20, 20], &mut |_, _, coverage| {
            sum += coverage;
            most = most.max(coverage);
        });
        assert!((sum - 24.0).abs() < 0.1 && (most - 1.0).abs() < 1e-5, "{sum} {most}");
    }
}
