/* A camera's response curve: what light becomes in a file. Light adds up before it. */
#ifndef ND_DATA_RESPONSE_H
#define ND_DATA_RESPONSE_H

#include <stddef.h>

/* sRGB's, a power, or none. */
typedef enum nd_response { ND_RESPONSE_SRGB, ND_RESPONSE_POWER, ND_RESPONSE_NONE } nd_response;
const char *nd_response_name(int index); /* NULL past the last */

/* n values in [0, 1], changed in place, clamped where there is a curve; gamma: the power of
 * ND_RESPONSE_POWER. */
void nd_response_undo(nd_response response, double gamma, float *x, size_t n);
void nd_response_apply(nd_response response, double gamma, float *x, size_t n);

#endif
