"""What single notebooks need besides their own cells. Each module names its notebook in its first line.

May import all other rooms of the lab; none of them may import this one.
"""
