// Owns starts: the launch and exec messages, what the new process says on its channel, and the undoing of a start that failed.
#pragma once

#include "daemon_link.h"
#include "monitor.h"

namespace tsd {

void handle_launch(Monitor &monitor, ReceivedFrame &frame);
void handle_go(Monitor &monitor, const Fields &fields);
void handle_exec(Monitor &monitor, ReceivedFrame &frame);

}  // namespace tsd
