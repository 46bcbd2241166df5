# The model of docs/scaling.md: seconds a step and efficiency against the number of nodes, each with the same
# samples.
# awk -v T=0.77 -v first=0.59 -v half=0.75 -v weights=71.2e6 -v gbit=100 -v rate=1.2e9 -v latency=3e-6 \
#   -f scaling_model.awk
#   T        seconds of a step on one node, without communication
#   first    share of T that has passed when the first gradients are final
#   half     the same for half of their bytes
#   weights  4 bytes each
#   gbit     of the network, a node and direction
#   rate     bytes a second that one process gets through an all-reduce whatever the network (copying, adding)
#   latency  seconds of a message
#   jitter   standard deviation of a node's T, of T (default 0.01)
function min(a, b) { return a < b ? a : b }
function max(a, b) { return a > b ? a : b }
function seconds(n, bytes) { return 2 * (n - 1) / n * bytes / min(gbit * 1e9 / 8, rate) }
BEGIN {
  if (jitter == "") jitter = 0.01
  bytes = 4 * weights
  piece = min(bytes, 8 * 2 ^ 20)
  split("1 2 4 8 16 32 64 128 256 512", nodes, " ")
  printf "nodes  s/step  of it waiting  efficiency  speed-up\n"
  for (i = 1; i in nodes; i++) {
    n = nodes[i]
    hops = n > 1 ? log(n) / log(2) : 0
    slowest = T * (1 + (n > 1 ? jitter * sqrt(2 * log(n)) : 0))
    pieces = int((bytes + piece - 1) / piece)
    sum = n > 1 ? seconds(n, bytes) + pieces * 2 * hops * latency : 0
    tail = n > 1 ? seconds(n, piece) + 2 * hops * latency : 0  # the last piece waits for the last gradient
    step = max(slowest + tail, max(half * slowest + sum / 2, first * slowest + sum)) + 4 * hops * latency
    printf "%5d  %6.3f  %12.1f%%  %9.1f%%  %8.1f\n", n, step, 100 * (step - slowest) / step, 100 * T / step, n * T / step
  }
}
