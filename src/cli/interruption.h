/* Commands that end early in good order when they are asked to. */
#ifndef ND_CLI_INTERRUPTION_H
#define ND_CLI_INTERRUPTION_H

/* From here on SIGINT, SIGTERM and SIGHUP ask for the end; the second one ends the program at once. */
void nd_cli_listen(void);
/* The signal that asked, or 0; the status of a command that was ended is 128 more. */
int nd_cli_interrupted(void);

#endif
