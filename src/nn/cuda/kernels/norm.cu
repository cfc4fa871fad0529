// BatchNorm in training over x [batch, channels, plane], with the ReLU behind it. A channel is cut into slices, a block
// each, so that few channels keep a whole device busy; a second kernel puts the slices together.

#define AT(e) (((Index)((e) / plane) * channels + c) * plane + (e) % plane)

// Block (s, c): mean of slice s of channel c, and the sum of squared distances from it.
KERNEL(norm_slices, const T* x, float* means, float* squares, int batch, int channels, int plane, int per) {
    const int slice = blockIdx.x, c = blockIdx.y, n = batch * plane, first = slice * per;
    const int last = first + per < n ? first + per : n;
    Sum sum = {0.0f, 0.0f};
    ACROSS(e, first, last) add_to(sum, get(x[AT(e)]));
    const float mean = block_sum(sum.value) / (last - first);
    Sum square = {0.0f, 0.0f};
    ACROSS(e, first, last) {
        const float d = get(x[AT(e)]) - mean;
        add_to(square, d * d);
    }
    const float all = block_sum(square.value);
    if (threadIdx.x == 0) {
        means[c * gridDim.x + slice] = mean;
        squares[c * gridDim.x + slice] = all;
    }
}

// Puts the slices of each channel together (Chan et al.): no large square is ever subtracted from another.
KERNEL(norm_moments, const float* means, const float* squares, float* mean, float* inverse, float* unbiased, float eps,
       int channels, int slices, int n, int per) {
    EACH(c, channels) {
        const float start = means[c * slices];
        float shift = 0.0f, sum = 0.0f;
        for (int s = 0; s < slices; s++) {
            const float count = s * per + per < n ? per : n - s * per;
            shift += count / n * (means[c * slices + s] - start);
        }
        const float whole = start + shift;
        for (int s = 0; s < slices; s++) {
            const float count = s * per + per < n ? per : n - s * per, d = means[c * slices + s] - whole;
            sum += squares[c * slices + s] + count * d * d;
        }
        mean[c] = whole;
        inverse[c] = 1.0f / sqrtf(sum / n + eps);
        unbiased[c] = sum / (n - 1);
    }
}

// The shortcut of a residual block is added where there is one.
KERNEL(norm_apply, const T* x, const float* mean, const float* inverse, const float* gamma, const float* beta,
       const T* shortcut, T* y, int relu, int channels, int plane, Index n) {
    EACH(i, n) {
        const int c = (int)(i / plane % channels);
        float v = (get(x[i]) - mean[c]) * (gamma[c] * inverse[c]) + beta[c];
        if (shortcut) v += get(shortcut[i]);
        put(y + i, relu && v < 0.0f ? 0.0f : v);
    }
}

// Block (s, c): over slice s of channel c, the sums of d and of d * (x - mean); d is dy, or 0 where ReLU was shut.
KERNEL(norm_back_slices, const T* x, const T* y, const T* dy, const float* mean, float* sums, float* products, int relu,
       int batch, int channels, int plane, int per) {
    const int slice = blockIdx.x, c = blockIdx.y, n = batch * plane, first = slice * per;
    const int last = first + per < n ? first + per : n;
    Sum sum = {0.0f, 0.0f}, product = {0.0f, 0.0f};
    ACROSS(e, first, last) {
        const Index at = AT(e);
        const float d = relu && !(get(y[at]) > 0.0f) ? 0.0f : get(dy[at]);
        add_to(sum, d);
        add_to(product, d * (get(x[at]) - mean[c]));
    }
    const float whole = block_sum(sum.value), weighted = block_sum(product.value);
    if (threadIdx.x == 0) {
        sums[c * gridDim.x + slice] = whole;
        products[c * gridDim.x + slice] = weighted;
    }
}

KERNEL(norm_back_sums, const float* sums, const float* products, const float* inverse, float* d_gamma, float* d_beta,
       int channels, int slices) {
    EACH(c, channels) {
        float sum = 0.0f, product = 0.0f;
        for (int s = 0; s < slices; s++) {
            sum += sums[c * slices + s];
            product += products[c * slices + s];
        }
        d_beta[c] = sum;
        d_gamma[c] = product * inverse[c];
    }
}

KERNEL(norm_back_apply, const T* x, const T* y, const T* dy, const float* mean, const float* inverse, const float* gamma,
       const float* d_gamma, const float* d_beta, T* dx, int relu, int batch, int channels, int plane, Index n) {
    const float count = (float)batch * plane;
    EACH(i, n) {
        const int c = (int)(i / plane % channels);
        const float d = relu && !(get(y[i]) > 0.0f) ? 0.0f : get(dy[i]);
        const float slope = d_gamma[c] * inverse[c] / count;
        put(dx + i, gamma[c] * inverse[c] * (d - d_beta[c] / count - (get(x[i]) - mean[c]) * slope));
    }
}

// running = (1 - momentum) * running + momentum * batch.
KERNEL(running, const float* batch, float* running, float momentum, Index n) {
    EACH(i, n) running[i] = (1.0f - momentum) * running[i] + momentum * batch[i];
}

#undef AT
