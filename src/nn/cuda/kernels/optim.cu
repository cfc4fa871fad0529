// Update rules, one pass over a parameter: everything here is float, whatever the maps are.

KERNEL(sgd, const float* gradient, float* parameter, float* momenta, float lr, float momentum, float decay, int nesterov,
       Index n) {
    EACH(i, n) {
        const float g = gradient[i] + decay * parameter[i];
        const float m = momentum * momenta[i] + g;
        momenta[i] = m;
        parameter[i] -= lr * (nesterov ? g + momentum * m : m);
    }
}

// step = lr / (1 - b1^t), root = sqrt(1 - b2^t); coupled decay is added to the gradient, decoupled shrinks the parameter.
KERNEL(adam, const float* gradient, float* parameter, float* first, float* second, float step, float root, float b1,
       float b2, float rest1, float rest2, float eps, float decay, float shrink, Index n) {
    EACH(i, n) {
        const float g = gradient[i] + decay * parameter[i];
        const float m = b1 * first[i] + rest1 * g, v = b2 * second[i] + rest2 * g * g;
        first[i] = m;
        second[i] = v;
        parameter[i] = parameter[i] * shrink - step * m / (sqrtf(v) / root + eps);
    }
}
