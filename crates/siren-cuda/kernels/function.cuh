// Activations with their first three derivatives, by the polynomials of the CPU kernels (siren-kernel/src/function). No instruction whose
// result differs between cards is used.
#pragma once

// Kinds of siren_kernel::Pointwise, in its order.
enum Kind { LINEAR, SINE, FINER, HYPERBOLIC_SINE, GABOR, SINC, GAUSSIAN, SILU, RELU, TANH, SIGMOID, SOFTPLUS, EXPONENTIAL };

// An activation with its constants: `a` is omega, the scale of a Gaussian, or the factor above zero; `b` is the scale of a Gabor wavelet,
// or the factor below zero.
struct Activation {
    int kind;
    float a, b;
};

struct SinCos {
    float sin, cos;
};

// Sine and cosine of r + n π/2, |r| <= π/4.
__device__ __forceinline__ SinCos sin_cos_of_quadrant(float r, int n) {
    float r2 = r * r;
    float p = fmaf(r2, -1.9516978e-4f, 8.332176e-3f);
    p = fmaf(r2, p, -1.6666655e-1f);
    float sin = fmaf(r2 * r, p, r);
    float q = fmaf(r2, 2.4432786e-5f, -1.3887313e-3f);
    q = fmaf(r2, q, 4.1666646e-2f);
    float cos = fmaf(r2 * r2, q, fmaf(r2, -0.5f, 1.0f));
    float s = n & 1 ? cos : sin, c = n & 1 ? sin : cos;
    return {n & 2 ? -s : s, (n + 1) & 2 ? -c : c};
}

__device__ __forceinline__ SinCos sin_cos(float x) {
    if (fabsf(x) > 16384.0f) {
        // Three floats of π/2 are too short here, two doubles are not.
        double n = rint((double)x * 0.63661977236758134);
        double r = fma(n, -1.5707963267948966, (double)x);
        r = fma(n, -6.123233995736766e-17, r);
        return sin_cos_of_quadrant((float)r, (int)((long long)n & 3));
    }
    float n = rintf(x * 0.63661977f);
    float r = fmaf(n, -1.5707964f, x);
    r = fmaf(n, 4.371139e-8f, r);
    r = fmaf(n, 1.7151245e-15f, r);
    return sin_cos_of_quadrant(r, (int)n);
}

struct Exponential {
    // e^x and e^x - 1.
    float value, minus_one;
};

// For x <= 0.
__device__ __forceinline__ Exponential exponential(float x) {
    x = x < -88.0f ? -88.0f : x;
    float n = rintf(x * 1.442695041f);
    float power = __int_as_float(((int)n + 127) << 23);
    float r = fmaf(n, -0.6933594f, x);
    r = fmaf(n, 2.1219444e-4f, r);
    float p = fmaf(r, 1.389824e-3f, 8.3661e-3f);
    p = fmaf(r, p, 4.1666854e-2f);
    p = fmaf(r, p, 1.6666548e-1f);
    p = fmaf(r, p, 0.5f);
    p = fmaf(r * r, p, r);
    return {fmaf(power, p, power), fmaf(power, p, power - 1.0f)};
}

// ln(1 + x) for 0 <= x <= 1.
__device__ __forceinline__ float ln_1p(float x) {
    float s = x / (2.0f + x), s2 = s * s;
    float p = fmaf(s2, 1.4009814e-1f, 1.400018e-1f);
    p = fmaf(s2, p, 2.0010804e-1f);
    p = fmaf(s2, p, 3.3333206e-1f);
    float twice = s + s;
    return fmaf(twice * s2, p, twice);
}

// e^(-z²), with the rounding error of z² compensated; values below 1e-20 are zero.
__device__ __forceinline__ float gaussian(float z) {
    float squared = z * z, error = fmaf(z, z, -squared);
    float e = exponential(-squared).value;
    return squared > 46.0517f ? 0.0f : fmaf(e, -error, e);
}

// σ and its first three derivatives.
struct Derivatives {
    float s0, s1, s2, s3;
};

// Derivatives of sin u with respect to z, given u', u'' and u'''.
__device__ __forceinline__ Derivatives chain_rule(SinCos u, float u1, float u2, float u3) {
    return {u.sin, u1 * u.cos, u2 * u.cos - u1 * u1 * u.sin, (u3 - u1 * u1 * u1) * u.cos - 3.0f * u1 * u2 * u.sin};
}

// The logistic function, from e = e^-|z|, which gives 1 - s without cancellation.
__device__ __forceinline__ Derivatives logistic(float z, float e) {
    float larger = 1.0f / (1.0f + e), smaller = e * larger;
    float s = z < 0.0f ? smaller : larger, complement = z < 0.0f ? larger : smaller;
    float s1 = s * complement;
    return {s, s1, s1 * (complement - s), s1 * (1.0f - 6.0f * s1)};
}

__device__ __forceinline__ Derivatives hyperbolic_sine(float w, float z) {
    float m = exponential(-2.0f * fabsf(z)).minus_one, e = 1.0f + m, half = w / (2.0f * e);
    float sinh = -m * (2.0f + m) * half, cosh = (1.0f + e * e) * half;
    sinh = z < 0.0f ? -sinh : sinh;
    return chain_rule(sin_cos(sinh), 2.0f * cosh, 4.0f * sinh, 8.0f * cosh);
}

__device__ __forceinline__ Derivatives gabor(float w, float s, float z) {
    SinCos u = sin_cos(w * z);
    float e = gaussian(s * z);
    // The envelope e satisfies e' = -v e, with v' = a.
    float a = 2.0f * s * s, v = a * z;
    return {e * u.cos, -e * (v * u.cos + w * u.sin), e * ((v * v - a - w * w) * u.cos + 2.0f * v * w * u.sin),
            e * ((3.0f * a + 3.0f * w * w - v * v) * v * u.cos + (w * w + 3.0f * a - 3.0f * v * v) * w * u.sin)};
}

// sin u / u; below |u| = 1.5, where the quotients lose digits, by its power series.
__device__ __forceinline__ Derivatives sinc(float w, float z) {
    float u = w * z;
    float t0, t1, t2, t3;
    if (fabsf(u) < 1.5f) {
        float square = u * u;
        t0 = t1 = t2 = t3 = 0.0f;
        // (-1)^k / (2k + 1)!, from k = 11 down, and its products with the exponents.
        const double coefficient[12] = {1.0, -1.0 / 6, 1.0 / 120, -1.0 / 5040, 1.0 / 362880, -1.0 / 39916800, 1.0 / 6227020800.0,
            -1.0 / 1307674368000.0, 1.0 / 355687428096000.0, -1.0 / 121645100408832000.0, 1.0 / 51090942171709440000.0,
            -1.0 / 25852016738884976640000.0};
#pragma unroll
        for (int k = 11; k >= 0; k--) {
            double c = coefficient[k], n = 2.0 * k;
            t0 = fmaf(t0, square, (float)c);
            if (k >= 1) {
                t1 = fmaf(t1, square, (float)(c * n));
                t2 = fmaf(t2, square, (float)(c * n * (n - 1.0)));
            }
            if (k >= 2) t3 = fmaf(t3, square, (float)(c * n * (n - 1.0) * (n - 2.0)));
        }
        t1 *= u;
        t3 *= u;
    } else {
        SinCos phase = sin_cos(u);
        t0 = phase.sin / u;
        t1 = (phase.cos - t0) / u;
        t2 = -(phase.sin + 2.0f * t1) / u;
        t3 = -(phase.cos + 3.0f * t2) / u;
    }
    return {t0, w * t1, w * w * t2, w * w * w * t3};
}

__device__ __forceinline__ Derivatives gaussian_bell(float s, float z) {
    float e = gaussian(s * z), two_z = 2.0f * s * z;
    if (e == 0.0f) return {0.0f, 0.0f, 0.0f, 0.0f};
    return {e, -two_z * s * e, (two_z * two_z - 2.0f) * s * s * e, two_z * (6.0f - two_z * two_z) * s * s * s * e};
}

__device__ __forceinline__ Derivatives softplus(float z) {
    if (z > 20.0f) return {z, 1.0f, 0.0f, 0.0f};
    float e = exponential(-fabsf(z)).value;
    Derivatives s = logistic(z, e);
    float value = fmaxf(z, 0.0f) + ln_1p(e);
    return {value, s.s0, s.s1, s.s2};
}

__device__ __forceinline__ Derivatives sine(float w, float z) {
    SinCos u = sin_cos(w * z);
    float s1 = w * u.cos, minus_square = -w * w;
    return {u.sin, s1, minus_square * u.sin, minus_square * s1};
}

// All threads of a grid have the same `f`: the switch does not diverge.
__device__ __forceinline__ Derivatives derivatives(Activation f, float z) {
    switch (f.kind) {
    case SINE:
        return sine(f.a, z);
    case FINER: {
        float slope = f.a * (2.0f * fabsf(z) + 1.0f), curvature = z < 0.0f ? -2.0f * f.a : 2.0f * f.a;
        return chain_rule(sin_cos(f.a * (fabsf(z) + 1.0f) * z), slope, curvature, 0.0f);
    }
    case HYPERBOLIC_SINE:
        return hyperbolic_sine(f.a, z);
    case GABOR:
        return gabor(f.a, f.b, z);
    case SINC:
        return sinc(f.a, z);
    case GAUSSIAN:
        return gaussian_bell(f.a, z);
    case SILU: {
        Derivatives s = logistic(z, exponential(-fabsf(z)).value);
        return {z * s.s0, s.s0 + z * s.s1, 2.0f * s.s1 + z * s.s2, 3.0f * s.s2 + z * s.s3};
    }
    case RELU: {
        bool inactive = z <= 0.0f;
        return {inactive ? 0.0f : z, inactive ? 0.0f : 1.0f, 0.0f, 0.0f};
    }
    case TANH: {
        float m = exponential(-2.0f * fabsf(z)).minus_one, t = copysignf(-m / (2.0f + m), z), s1 = 1.0f - t * t;
        return {t, s1, -2.0f * t * s1, s1 * (6.0f * t * t - 2.0f)};
    }
    case SIGMOID:
        return logistic(z, exponential(-fabsf(z)).value);
    case SOFTPLUS:
        return softplus(z);
    case EXPONENTIAL: {
        Exponential e = exponential(fminf(z, 0.0f));
        float curvature = z > 0.0f ? 0.0f : f.b * e.value;
        return {z > 0.0f ? f.a * z : f.b * e.minus_one, z > 0.0f ? f.a : f.b * e.value, curvature, curvature};
    }
    default:
        return {z, 1.0f, 0.0f, 0.0f};
    }
}
