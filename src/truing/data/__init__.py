"""From files to packed token trees: reading, formats, chat rendering, packing."""
