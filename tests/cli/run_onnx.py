"""Runs ONNX files and compares: arguments are groups of FILE.onnx IN OUT BATCH HEIGHT WIDTH, where IN and OUT hold
float32 of batch x height x width x channels. Prints, a group a line, the largest difference and the share of numbers that lie
inside 0..1."""
import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.log_severity_level = 2  # a warning is a difference from what was expected
for i in range(1, len(sys.argv), 6):
    path, given, expected, *shape = sys.argv[i:i + 6]
    shape = [int(n) for n in shape] + [-1]
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    x = np.fromfile(given, np.float32).reshape(shape).transpose(0, 3, 1, 2)
    found, = session.run(["output"], {"input": np.ascontiguousarray(x)})
    wanted = np.fromfile(expected, np.float32).reshape(shape).transpose(0, 3, 1, 2)
    inside = ((wanted > 0) & (wanted < 1)).mean()
    print(float(abs(found - wanted).max()), float(inside), found.shape == wanted.shape)
