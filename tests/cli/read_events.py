"""TensorBoard's own reader on a run folder: every scalar against log.csv and validation.csv, the pictures of the last
validation against crop-N.png. Prints how many scalars, pictures and steps there are."""
import csv
import os
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

run = sys.argv[1]
seen = EventAccumulator(run, size_guidance={"scalars": 0, "images": 0})
seen.Reload()
columns = {"loss/total": "loss", "training/alpha": "alpha", "training/gradient_norm": "gradient_norm",
           "training/skipped": "skipped", "speed/images_per_second": "images_per_second",
           "speed/wait_share": "wait_share"}


def column_of(tag):
    return columns.get(tag, tag.split("/")[1])


scalars, steps = 0, set()
for tag in seen.Tags()["scalars"]:
    with open(os.path.join(run, "validation.csv" if tag.startswith("validation/") else "log.csv")) as f:
        rows = list(csv.DictReader(f))
    events = seen.Scalars(tag)
    assert [e.step for e in events] == [int(r["step"]) for r in rows], (tag, events)
    for e, r in zip(events, rows):
        wanted = float(r[column_of(tag)])
        assert abs(e.value - wanted) <= 1e-4 + 1e-6 * abs(wanted), (tag, e, wanted)
        steps.add(e.step)
    scalars += len(events)

pictures = 0
for tag in seen.Tags()["images"]:
    events = seen.Images(tag)
    assert [e.step for e in events] == sorted({e.step for e in events}), tag
    with open(os.path.join(run, "crop-%s.png" % tag.split("/")[1]), "rb") as f:
        png = f.read()
    assert events[-1].encoded_image_string == png, tag
    assert (events[-1].width, events[-1].height) == (int.from_bytes(png[16:20], "big"),
                                                     int.from_bytes(png[20:24], "big")), tag
    pictures += len(events)
print(scalars, pictures, max(steps))
