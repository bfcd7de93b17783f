// Messages on a device, a stage a launch: twins of _message_kernels.py, in log space.
//
//   backward_stage  q(s,a) = r + γ ⊗ v', v(s) = τ log Σ_a p(a|s) e^{q/τ}; a thread a state
//   forward_stage   α'(u) = τ log Σ_i P(u|i) e^{(α(s_i) + own(i))/τ}, gathered from the pairs i
//                   that lead to u; `width` lanes a state
//   forward_end     the same for the end, which is joined to those who ended before; one block

#include "_group.cuh"

// τ log(Σ P e^{v/τ} + stop) of one row.
__device__ inline double optimistic_row(
    const double* values, const int* columns, long long begin, long long end, const double* v,
    double stop, double tau
) {
    if (end == begin + 1 && stop == 0.0) return v[columns[begin]] + tau * log(values[begin]);
    double top = stop > 0 ? 0.0 : -infinity();
    for (long long j = begin; j < end; j++) top = larger(top, v[columns[j]]);
    double total = stop > 0 ? stop * exp(-top / tau) : 0.0;
    for (long long j = begin; j < end; j++) total += values[j] * exp((v[columns[j]] - top) / tau);
    return top + tau * log(total);
}

extern "C" __global__ void backward_stage(
    const double* __restrict__ values, const int* __restrict__ columns,
    const long long* __restrict__ row_ptr, const int* __restrict__ action_ptr,
    const double* __restrict__ r, const double* __restrict__ stop,
    const double* __restrict__ weight, bool optimistic, double tau, double discount,
    const double* __restrict__ ahead, long long n_states, double* __restrict__ q,
    double* __restrict__ v, double* __restrict__ policy
) {
    long long s = thread_number();
    if (s >= n_states) return;
    int begin = action_ptr[s], end = action_ptr[s + 1];
    double top = -infinity(), mass = 0.0;
    for (int pair = begin; pair < end; pair++) {
        double total = 0.0;
        if (optimistic) {
            total = optimistic_row(values, columns, row_ptr[pair], row_ptr[pair + 1], ahead,
                                   stop ? stop[pair] : 0.0, tau);
        } else {
            for (long long j = row_ptr[pair]; j < row_ptr[pair + 1]; j++) {
                total += values[j] * ahead[columns[j]];
            }
            total *= discount;
        }
        q[pair] = r[pair] + total;
        if (!weight || weight[pair] > 0) top = larger(top, q[pair]);
    }
    for (int pair = begin; pair < end; pair++) {
        mass += (weight ? weight[pair] : 1.0) * exp(smaller((q[pair] - top) / tau, 0.0));
    }
    v[s] = top + tau * log(mass);
    for (int pair = begin; policy && pair < end; pair++) {
        double share = (weight ? weight[pair] : 1.0) * exp(smaller((q[pair] - top) / tau, 0.0));
        policy[pair] = share / mass;
    }
}

extern "C" __global__ void forward_stage(
    const double* __restrict__ values, const int* __restrict__ from,
    const long long* __restrict__ ptr, const int* __restrict__ pair_states,
    const double* __restrict__ own, double tau, const double* __restrict__ alpha, long long n,
    int width, double* __restrict__ out
) {
    long long u = thread_number() / width;
    int lane = threadIdx.x % width;
    if (u >= n) return;  // a whole group leaves together
    double top = -infinity(), total = 0.0;
    for (long long j = ptr[u] + lane; j < ptr[u + 1]; j += width) {
        top = larger(top, alpha[pair_states[from[j]]] + own[from[j]]);
    }
    top = group_largest(top, width);
    for (long long j = ptr[u] + lane; j < ptr[u + 1] && top > -infinity(); j += width) {
        double x = alpha[pair_states[from[j]]] + own[from[j]];
        total += values[j] * exp((x - top) / tau);
    }
    total = group_sum(total, width);
    if (lane == 0) out[u] = total > 0 ? top + tau * log(total) : -infinity();
}

// ended[0] are those who ended before, ended[1] those and the ones who end now.
extern "C" __global__ void __launch_bounds__(THREADS) forward_end(
    const double* __restrict__ stop, const int* __restrict__ pair_states,
    const double* __restrict__ own, double tau, const double* __restrict__ alpha,
    long long n_pairs, double* __restrict__ ended
) {
    __shared__ double part[THREADS];
    int i = threadIdx.x;
    double top = ended[0], total = 0.0;
    for (long long pair = i; pair < n_pairs; pair += THREADS) {
        if (stop[pair] > 0) top = larger(top, alpha[pair_states[pair]] + own[pair]);
    }
    part[i] = top;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (i < half) part[i] = larger(part[i], part[i + half]);
        __syncthreads();
    }
    top = part[0];
    __syncthreads();
    for (long long pair = i; pair < n_pairs && top > -infinity(); pair += THREADS) {
        double x = alpha[pair_states[pair]] + own[pair];
        if (stop[pair] > 0) total += stop[pair] * exp((x - top) / tau);
    }
    if (i == 0 && top > -infinity()) total += exp((ended[0] - top) / tau);
    part[i] = total;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (i < half) part[i] += part[i + half];
        __syncthreads();
    }
    if (i == 0) ended[1] = part[0] > 0 ? top + tau * log(part[0]) : -infinity();
}
