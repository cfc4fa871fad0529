// Ops on each element by itself, and sums over a channel.

// NaN passes: a broken map must not look healthy.
KERNEL(relu, const T* x, T* y, Index n) {
    EACH(i, n) {
        const float v = get(x[i]);
        put(y + i, v < 0.0f ? 0.0f : v);
    }
}

KERNEL(relu_back, const T* y, const T* dy, T* dx, Index n) {
    EACH(i, n) put(dx + i, get(y[i]) > 0.0f ? get(dy[i]) : 0.0f);
}

KERNEL(leaky_relu, const T* x, T* y, float slope, Index n) {
    EACH(i, n) {
        const float v = get(x[i]);
        put(y + i, v > 0.0f ? v : slope * v);
    }
}

KERNEL(leaky_relu_back, const T* x, const T* dy, T* dx, float slope, Index n) {
    EACH(i, n) put(dx + i, get(x[i]) > 0.0f ? get(dy[i]) : slope * get(dy[i]));
}

KERNEL(add, const T* a, const T* b, T* y, Index n) {
    EACH(i, n) put(y + i, get(a[i]) + get(b[i]));
}

KERNEL(add_relu, const T* a, const T* b, T* y, Index n) {
    EACH(i, n) {
        const float v = get(a[i]) + get(b[i]);
        put(y + i, v < 0.0f ? 0.0f : v);
    }
}

KERNEL(scale, const T* x, T* y, float factor, Index n) {
    EACH(i, n) put(y + i, factor * get(x[i]));
}

// The factor is a number on the device, so that nothing waits for the host.
KERNEL(scale_by, const T* x, const float* factor, T* y, Index n) {
    EACH(i, n) put(y + i, factor[0] * get(x[i]));
}

KERNEL(from_float, const float* x, T* y, Index n) {
    EACH(i, n) put(y + i, x[i]);
}

KERNEL(to_float, const T* x, float* y, Index n) {
    EACH(i, n) y[i] = get(x[i]);
}

// y [b, channels, plane] += bias [channels].
KERNEL(add_bias, const float* bias, T* y, int channels, int plane, Index n) {
    EACH(i, n) put(y + i, get(y[i]) + bias[i / plane % channels]);
}

// y = finish(BatchNorm(y)) with running statistics, in place: what evaluation does after a convolution.
KERNEL(fold, const float* gamma, const float* beta, const float* mean, const float* variance, const T* shortcut, T* y,
       float eps, int relu, int channels, int plane, Index n) {
    EACH(i, n) {
        const int c = (int)(i / plane % channels);
        const float scale = gamma[c] / sqrtf(variance[c] + eps);
        float v = (get(y[i]) - mean[c]) * scale + beta[c];
        if (shortcut) v += get(shortcut[i]);
        put(y + i, relu && v < 0.0f ? 0.0f : v);
    }
}

// Block (s, c): sum of slice s of channel c of x [batch, channels, plane].
KERNEL(channel_slices, const T* x, float* sums, int batch, int channels, int plane, int per) {
    const int slice = blockIdx.x, c = blockIdx.y, n = batch * plane, first = slice * per;
    const int last = first + per < n ? first + per : n;
    Sum sum = {0.0f, 0.0f};
    ACROSS(e, first, last) add_to(sum, get(x[((Index)(e / plane) * channels + c) * plane + e % plane]));
    const float whole = block_sum(sum.value);
    if (threadIdx.x == 0) sums[c * gridDim.x + slice] = whole;
}

// out [rows] = factor * sums over each row of x [rows, length].
KERNEL(row_sums, const float* x, float* out, float factor, int rows, int length) {
    EACH(row, rows) {
        float sum = 0.0f;
        for (int i = 0; i < length; i++) sum += x[row * length + i];
        out[row] = factor * sum;
    }
}
