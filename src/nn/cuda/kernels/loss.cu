// Losses: each writes the gradient of its mean at once, and one partial sum a block.

// Mean binary cross-entropy of logits z against one target.
KERNEL(bce, const T* z, float target, T* gradient, float* partial, Index n) {
    Sum sum = {0.0f, 0.0f};
    EACH(i, n) {
        const float v = get(z[i]), small = expf(-fabsf(v));
        const float sigmoid = v >= 0.0f ? 1.0f / (1.0f + small) : small / (1.0f + small);
        add_to(sum, (v > 0.0f ? v : v < 0.0f ? 0.0f : v) - v * target + log1pf(small));
        put(gradient + i, (sigmoid - target) / n);
    }
    const float whole = block_sum(sum.value);
    if (threadIdx.x == 0) partial[blockIdx.x] = whole;
}

KERNEL(squared_error, const T* z, float target, T* gradient, float* partial, Index n) {
    Sum sum = {0.0f, 0.0f};
    EACH(i, n) {
        const float d = get(z[i]) - target;
        add_to(sum, d * d);
        put(gradient + i, 2.0f * d / n);
    }
    const float whole = block_sum(sum.value);
    if (threadIdx.x == 0) partial[blockIdx.x] = whole;
}

KERNEL(l1, const T* x, const float* target, T* gradient, float* partial, Index n) {
    const float step = 1.0f / n;
    Sum sum = {0.0f, 0.0f};
    EACH(i, n) {
        const float d = get(x[i]) - target[i];
        add_to(sum, fabsf(d));
        put(gradient + i, d > 0.0f ? step : d < 0.0f ? -step : 0.0f);
    }
    const float whole = block_sum(sum.value);
    if (threadIdx.x == 0) partial[blockIdx.x] = whole;
}

// out[0] = factor * sum of partial, by one block.
KERNEL(total, const float* partial, float* out, float factor, int count) {
    Sum sum = {0.0f, 0.0f};
    ACROSS(i, 0, count) add_to(sum, partial[i]);
    const float whole = block_sum(sum.value);
    if (threadIdx.x == 0) out[0] = factor * whole;
}

// Block r: cross-entropy of row r of logits [rows, k] against its label with smoothing; nothing where it is negative.
KERNEL(cross_entropy, const T* logits, const long long* labels, T* gradient, float* losses, float smoothing, int labelled,
       int k) {
    const int row = blockIdx.x;
    const T* z = logits + (Index)row * k;
    T* g = gradient + (Index)row * k;
    const int label = (int)labels[row];
    float top = get(z[0]);
    Sum sum = {0.0f, 0.0f}, loss = {0.0f, 0.0f};
    ACROSS(i, 0, k) {
        const float v = get(z[i]);
        if (v > top) top = v;
    }
    top = block_max(top);
    ACROSS(i, 0, k) add_to(sum, expf(get(z[i]) - top));
    const float log_sum = top + logf(block_sum(sum.value));
    ACROSS(i, 0, k) {
        const float wanted = smoothing / k + (i == label ? 1.0f - smoothing : 0.0f), log_p = get(z[i]) - log_sum;
        add_to(loss, -wanted * log_p);
        put(g + i, label < 0 ? 0.0f : (expf(log_p) - wanted) / labelled);
    }
    const float whole = block_sum(loss.value);
    if (threadIdx.x == 0) losses[row] = label < 0 ? 0.0f : whole;
}
