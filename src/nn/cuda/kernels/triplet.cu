// The triplet loss on v [rows, d]. A triplet is three row numbers: anchor, positive, negative; an anchor of -1 is none.

DEVICE float distance(const float* a, const float* b, int d) {
    Sum sum = {0.0f, 0.0f};
    ACROSS(i, 0, d) add_to(sum, (a[i] - b[i]) * (a[i] - b[i]));
    return sqrtf(block_sum(sum.value) + 1e-12f);
}

// Block a: the farthest other row of anchor a's label (itself where there is none), the nearest row of another.
KERNEL(hardest, const float* v, const long long* labels, unsigned int* triplets, int rows, int d) {
    const int a = blockIdx.x;
    int positive = a, negative = -1;
    float far = -1.0f, near = -1.0f;
    if (labels[a] >= 0) {
        for (int other = 0; other < rows; other++) {
            if (other == a || labels[other] < 0) continue;
            const float length = distance(v + (Index)a * d, v + (Index)other * d, d);
            if (labels[other] == labels[a]) {
                if (length > far) {
                    positive = other;
                    far = length;
                }
            } else if (negative < 0 || length < near) {
                negative = other;
                near = length;
            }
        }
    }
    if (threadIdx.x == 0) {
        triplets[3 * a] = negative < 0 ? 0xffffffffu : (unsigned int)a;
        triplets[3 * a + 1] = (unsigned int)positive;
        triplets[3 * a + 2] = (unsigned int)negative;
    }
}

// Block t: lengths [count, 2] of triplet t, to its positive and to its negative.
KERNEL(triplet_lengths, const float* v, const int* triplets, float* lengths, int d) {
    const int* t = triplets + 3 * blockIdx.x;
    float near = 0.0f, far = 0.0f;
    if (t[0] >= 0) {
        near = distance(v + (Index)t[0] * d, v + (Index)t[1] * d, d);
        far = distance(v + (Index)t[0] * d, v + (Index)t[2] * d, d);
    }
    if (threadIdx.x == 0) {
        lengths[2 * blockIdx.x] = near;
        lengths[2 * blockIdx.x + 1] = far;
    }
}

// Block r: the gradient of row r. Block 0 also writes the loss, the mean over all triplets that are there.
KERNEL(triplet, const float* v, const int* triplets, const float* lengths, float* gradient, float* loss, float margin,
       int count, int d) {
    const int row = blockIdx.x;
    float sum = 0.0f, there = 0.0f;
    ACROSS(t, 0, count) {
        if (triplets[3 * t] < 0) continue;
        const float value = margin + lengths[2 * t] - lengths[2 * t + 1];
        there += 1.0f;
        if (value > 0.0f) sum += value;
    }
    there = block_sum(there);
    sum = block_sum(sum);
    if (there < 1.0f) there = 1.0f;
    if (row == 0 && threadIdx.x == 0) loss[0] = sum / there;
    ACROSS(i, 0, d) {
        float slope = 0.0f;
        for (int t = 0; t < count; t++) {
            const int a = triplets[3 * t], p = triplets[3 * t + 1], q = triplets[3 * t + 2];
            if (a < 0 || (a != row && p != row && q != row)) continue;
            const float near = lengths[2 * t], far = lengths[2 * t + 1];
            if (!(margin + near - far > 0.0f)) continue;
            const float to_p = (v[(Index)a * d + i] - v[(Index)p * d + i]) / near;
            const float to_q = (v[(Index)a * d + i] - v[(Index)q * d + i]) / far;
            if (a == row) slope += to_p - to_q;
            if (p == row) slope -= to_p;
            if (q == row) slope += to_q;
        }
        gradient[(Index)row * d + i] = slope / there;
    }
}
