// Convolution as a matrix product where there is no cuDNN.

// columns [channels * k * k, images * oh * ow]: element (tap, position) is the pixel of x [images, channels, h, w] under
// that tap. With k = 1 and stride 1 it puts channels before images, which the weight gradient uses for dy.
KERNEL(unfold, const T* x, T* columns, int channels, int h, int w, int k, int stride, int padding, int oh, int ow,
       int positions, Index n) {
    EACH(i, n) {
        const int q = (int)(i % positions), tap = (int)(i / positions);
        const int ox = q % ow, oy = q / ow % oh, image = q / ow / oh;
        const int kx = tap % k, ky = tap / k % k, c = tap / k / k;
        const int iy = oy * stride + ky - padding, ix = ox * stride + kx - padding;
        const bool inside = iy >= 0 && iy < h && ix >= 0 && ix < w;
        put(columns + i, inside ? get(x[(((Index)image * channels + c) * h + iy) * w + ix]) : 0.0f);
    }
}

// The way back: dx is, at each pixel, the sum of the columns that it went into; columns are float for the sum's sake.
KERNEL(refold, const float* columns, T* dx, int channels, int h, int w, int k, int stride, int padding, int oh, int ow,
       int positions, Index n) {
    EACH(i, n) {
        const int ix = (int)(i % w), iy = (int)(i / w % h), c = (int)(i / w / h % channels);
        const int image = (int)(i / w / h / channels);
        float sum = 0.0f;
        for (int ky = 0; ky < k; ky++) {
            const int y = iy + padding - ky, oy = y / stride;
            if (y < 0 || y % stride || oy >= oh) continue;
            for (int kx = 0; kx < k; kx++) {
                const int x = ix + padding - kx, ox = x / stride;
                if (x < 0 || x % stride || ox >= ow) continue;
                sum += columns[(Index)((c * k + ky) * k + kx) * positions + (image * oh + oy) * ow + ox];
            }
        }
        put(dx + i, sum);
    }
}
