// Nothing but what is compiled beforehand for all tests: tests/CMakeLists.txt.
