// The deaths are run one by one: see FATAL in oracle.py.
standard();
