"""Polars: `scan_delta`."""

import canonical
import polars
from serve import object_store_options, serve


def read(request):
    frame = polars.scan_delta(
        request["url"], version=request.get("version"), storage_options=object_store_options(request)
    ).collect()
    return canonical.rows(frame.to_arrow())


serve(polars.__version__, {"read": read})
