// The 3x3/2 max-pool, the average over a whole map, and the enlargement by two.

// A window starts at 2i - edge: edge is 1 with a padded border (torchvision), 0 in Caffe's ceil mode.
KERNEL(max_pool, const T* x, T* y, unsigned int* winners, int edge, int h, int w, int oh, int ow, Index n) {
    EACH(i, n) {
        const int ox = (int)(i % ow), oy = (int)(i / ow % oh);
        const T* map = x + i / ow / oh * h * w;
        const int top = 2 * oy - edge, left = 2 * ox - edge;
        int winner = -1;
        float best = 0.0f;
        for (int iy = top < 0 ? 0 : top; iy < top + 3 && iy < h; iy++) {
            for (int ix = left < 0 ? 0 : left; ix < left + 3 && ix < w; ix++) {
                const float v = get(map[iy * w + ix]);
                // The first of equals wins, and so does not a number: a broken map must not look healthy.
                if (winner < 0 || v > best || v != v) {
                    winner = iy * w + ix;
                    best = v;
                }
            }
        }
        put(y + i, best);
        winners[i] = (unsigned int)winner;
    }
}

// Each pixel asks the windows that hold it whether it won.
KERNEL(max_pool_back, const T* dy, const unsigned int* winners, T* dx, int edge, int h, int w, int oh, int ow, Index n) {
    EACH(i, n) {
        const int ix = (int)(i % w), iy = (int)(i / w % h);
        const Index map = i / w / h * oh * ow;
        const int first_y = iy + edge > 2 ? (iy + edge - 1) / 2 : 0, first_x = ix + edge > 2 ? (ix + edge - 1) / 2 : 0;
        float sum = 0.0f;
        for (int oy = first_y; oy <= (iy + edge) / 2 && oy < oh; oy++) {
            for (int ox = first_x; ox <= (ix + edge) / 2 && ox < ow; ox++) {
                const Index at = map + oy * ow + ox;
                if (winners[at] == (unsigned int)(iy * w + ix)) sum += get(dy[at]);
            }
        }
        put(dx + i, sum);
    }
}

// Block r: mean of row r of x [rows, plane].
KERNEL(average, const T* x, float* y, int plane) {
    Sum sum = {0.0f, 0.0f};
    ACROSS(p, 0, plane) add_to(sum, get(x[(Index)blockIdx.x * plane + p]));
    const float whole = block_sum(sum.value);
    if (threadIdx.x == 0) y[blockIdx.x] = whole / plane;
}

KERNEL(average_back, const float* dy, T* dx, int plane, Index n) {
    EACH(i, n) put(dx + i, dy[i / plane] / plane);
}

// x [maps, h, w] to y [maps, 2h, 2w]; n counts y.
KERNEL(enlarge, const T* x, T* y, int w, Index n) {
    EACH(i, n) {
        const int ox = (int)(i % (2 * w));
        const Index row = i / (2 * w);
        y[i] = x[row / 2 * w + ox / 2];
    }
}

// n counts dx.
KERNEL(enlarge_back, const T* dy, T* dx, int w, Index n) {
    EACH(i, n) {
        const Index at = i / w * 4 * w + i % w * 2;
        put(dx + i, (get(dy[at]) + get(dy[at + 1])) + (get(dy[at + 2 * w]) + get(dy[at + 2 * w + 1])));
    }
}
