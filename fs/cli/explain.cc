#include "fs/cli/verbs.h"
