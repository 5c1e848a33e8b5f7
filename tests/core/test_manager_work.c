#include "tests/core/manager_fixture.h"
static const struct CMUnitTest tests[] = { { 0 } };
int main(void){(void)tests;return 0;}
