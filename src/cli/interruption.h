/* Commands that end early in good order when they are asked to. */
#ifndef ND_CLI_INTERRUPTION_H
#define ND_CLI_INTERRUPTION_H

/* From here on SIGINT, SIGTERM, SIGHUP and SIGUSR1 ask for the end, but those that are ignored, and no call
 * of the system that waits for a file is cut short by them. text: what the first one writes to the standard
 * error; NULL: nothing. The second one ends the program at once. */
void nd_cli_listen(const char *text);
/* Launchers of several processes repeat signals, and pass SIGUSR1 on: each asks only. */
void nd_cli_expect_repeats(void);
/* The signal that asked, or 0; the status of a command that was ended is 128 more. */
int nd_cli_interrupted(void);

#endif
