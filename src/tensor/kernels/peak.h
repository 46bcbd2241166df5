/* What this machine can do at best: the measure for everything else. Each takes a fraction of a second and is
 * the best of many short runs, so that other programs disturb it little. 0: there is no memory for it. */
#ifndef ND_KERNELS_PEAK_H
#define ND_KERNELS_PEAK_H

/* Floating-point operations a second (fp32; a multiply-add is two) of all threads together, with the
 * instruction set that the kernels use. */
double nd_peak_flops(void);
/* The same of products of bf16 numbers; 0 where the processor has no instructions for them. */
double nd_peak_bf16_flops(void);
/* Bytes a second to and from memory: a = b + s c over arrays larger than the last cache, 12 bytes an element
 * (McCalpin's STREAM triad). */
double nd_peak_bandwidth(void);

#endif
