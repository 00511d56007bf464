def insert_banner(arch, banner):
    """Insert an element below the header of a form, or at its top if the form has none.

    :param arch: the form, an lxml element; changed in place
    :param banner: the lxml element to insert
    """
    header = arch.find("header")
    arch.insert(0 if header is None else arch.index(header) + 1, banner)
