print_LIBRARIES :=
