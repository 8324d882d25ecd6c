// Squared errors of jets, with their gradients.
#pragma once

#include "rows.cuh"

struct SquareError {
    // Jets (row, channel, component), a row being a point of a field, and the gradient with respect to them.
    const float *jets;
    float *d_jets;
    // Targets (row, channel, target) of the components from `first` on.
    const float *targets;
    // Factor of each component in the loss.
    const float *factors;
    // Sums of squared errors (block, component).
    float *sums;
    long rows;
    int channels, components;
    int first, target_count;
};

// The error of a component, 0 without a target.
__device__ __forceinline__ float error_of(const SquareError &loss, long row, int channel, int component) {
    int target = component - loss.first;
    if (target < 0 || target >= loss.target_count) return 0.0f;
    long index = row * loss.channels + channel;
    return loss.jets[index * loss.components + component] - loss.targets[index * loss.target_count + target];
}

// One thread writes the gradients of a row, then adds the squares of one component over the rows of its block.
extern "C" __global__ void __launch_bounds__(THREADS) square_error(const SquareError loss) {
    long first_row = (long)blockIdx.x * THREADS, row = first_row + threadIdx.x;
    if (row < loss.rows) {
        for (int channel = 0; channel < loss.channels; channel++) {
            for (int c = 0; c < loss.components; c++) {
                loss.d_jets[(row * loss.channels + channel) * loss.components + c] = 2.0f * loss.factors[c] * error_of(loss, row, channel, c);
            }
        }
    }
    for (int c = threadIdx.x; c < loss.components; c += THREADS) {
        float sum = 0.0f;
        for (long r = first_row; r < min(first_row + THREADS, loss.rows); r++) {
            for (int channel = 0; channel < loss.channels; channel++) {
                float error = error_of(loss, r, channel, c);
                sum = fmaf(error, error, sum);
            }
        }
        loss.sums[(long)blockIdx.x * loss.components + c] = sum;
    }
}
