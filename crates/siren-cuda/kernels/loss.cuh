// Squared errors of jets, with their gradients.
#pragma once

#include "rows.cuh"
#include "sums.cuh"

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

// One thread writes the gradients of a row. The squares of a component are added over the rows of the block.
extern "C" __global__ void __launch_bounds__(THREADS) square_error(const SquareError loss) {
    long row = (long)blockIdx.x * THREADS + threadIdx.x;
    for (int c = 0; c < loss.components; c++) {
        float sum = 0.0f;
        if (row < loss.rows) {
            for (int channel = 0; channel < loss.channels; channel++) {
                float error = error_of(loss, row, channel, c);
                loss.d_jets[(row * loss.channels + channel) * loss.components + c] = 2.0f * loss.factors[c] * error;
                sum = fmaf(error, error, sum);
            }
        }
        float total = (float)block_sum(sum);
        if (threadIdx.x == 0) loss.sums[(long)blockIdx.x * loss.components + c] = total;
        // For the next sum.
        __syncthreads();
    }
}
