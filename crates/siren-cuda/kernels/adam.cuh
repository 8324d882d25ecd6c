// Adam and AdamW.
#pragma once

#include "primitives.cuh"

// A range of the parameters of a group.
struct AdamRange {
    // Its offset in the parameters, and that of its moments in those of the group.
    long parameter, moment;
    long length;
};

struct AdamUpdate {
    const AdamRange *ranges;
    float *parameters;
    const float *gradient;
    // Moments m and v of the group.
    float *first_moments, *second_moments;
    // Factor of the gradient.
    float factor;
    // Each β with 1 - β.
    float beta_1, one_minus_beta_1;
    float beta_2, one_minus_beta_2;
    // 1 / √(1 - β₂ᵗ).
    float inverse_root;
    float epsilon;
    // η / (1 - β₁ᵗ).
    float rate;
    // λ where it is added to the gradient; 1 - η λ where it is decoupled from it.
    float decay, rest;
};

// One thread steps a parameter:
//   g = factor · gradient + decay · θ,   m ← β₁ m + (1 - β₁) g,   v ← β₂ v + (1 - β₂) g²,
//   θ ← rest · θ - rate · m / (√v · inverse_root + ε).
// Blocks (x, y): (THREADS elements, range).
extern "C" __global__ void __launch_bounds__(THREADS) adam_update(const AdamUpdate adam) {
    AdamRange range = adam.ranges[blockIdx.y];
    long i = (long)blockIdx.x * THREADS + threadIdx.x;
    if (i >= range.length) return;
    float &theta = adam.parameters[range.parameter + i];
    float &first = adam.first_moments[range.moment + i], &second = adam.second_moments[range.moment + i];
    float old = theta, gradient = adam.gradient[range.parameter + i] * adam.factor + old * adam.decay;
    float m = first * adam.beta_1 + gradient * adam.one_minus_beta_1;
    float v = second * adam.beta_2 + gradient * gradient * adam.one_minus_beta_2;
    first = m;
    second = v;
    theta = old * adam.rest - m / (sqrtf(v) * adam.inverse_root + adam.epsilon) * adam.rate;
}
