// A shared object like any other: no entry point, nothing registered.
int not_an_addon(void);

int not_an_addon(void) { return 1; }
