/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wctype.h>

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <term.h>

#include "host/message.h"

#define ESCAPE_DELAY 25  /* milliseconds that the rest of an escape sequence may take */
#define MESSAGES_MAX 32  /* that are kept to be printed at the end */
#define RESTORE_MAX  256 /* bytes */

static struct {
	SCREEN *terminal; /* NULL: not open */
	bool utf8, colour;
	attr_t attributes[VIEW_ROLES];
	struct termios termios;    /* as it was before */
	char restore[RESTORE_MAX]; /* what the terminal wants to hear at the end */
	size_t restore_length;
	char *messages[MESSAGES_MAX];
	size_t message_count; /* of them, also those that have made room */
	size_t messages_come; /* also repeated ones, which are kept once */
} screen;

/* Roles without colour, as upstream and every monochrome terminal shows them. */
static const attr_t plain_attributes[VIEW_ROLES] = {
	[VIEW_PLAIN] = A_NORMAL,  [VIEW_HEADLINE] = A_BOLD,    [VIEW_COLUMNS] = A_REVERSE,
	[VIEW_CHILD] = A_NORMAL,  [VIEW_SELECTED] = A_REVERSE, [VIEW_TOTAL] = A_BOLD,
	[VIEW_NOTICE] = A_BOLD,   [VIEW_ERROR] = A_BOLD,       [VIEW_DEAD] = A_BLINK | A_STANDOUT,
	[VIEW_HINT] = A_STANDOUT,
};

/* What terminals send for these keys in whichever mode, also where terminfo knows only one form. */
static const struct {
	const char *sequence;
	int key;
} more_keys[] = {
	{"\033[D", KEY_LEFT},   {"\033[C", KEY_RIGHT}, {"\033OD", KEY_LEFT},
	{"\033OC", KEY_RIGHT},  {"\033[A", KEY_UP},    {"\033[B", KEY_DOWN},
	{"\033OA", KEY_UP},     {"\033OB", KEY_DOWN},  {"\033[H", KEY_HOME},
	{"\033[F", KEY_END},    {"\033OH", KEY_HOME},  {"\033OF", KEY_END},
	{"\033[1~", KEY_HOME},  {"\033[4~", KEY_END},  {"\033[5~", KEY_PPAGE},
	{"\033[6~", KEY_NPAGE},
};

/* What colours add. Everything else keeps the colours that the user's terminal has. */
static const struct {
	enum view_role role;
	short colour;
} role_colours[] = {
	{VIEW_CHILD, COLOR_CYAN},
	{VIEW_NOTICE, COLOR_YELLOW},
	{VIEW_ERROR, COLOR_RED},
	{VIEW_DEAD, COLOR_RED},
};

static void capture_message(const char *text, void *data)
{
	size_t i = screen.message_count % MESSAGES_MAX;
	const char *last = screen_message(&(size_t){0});

	(void)data;
	screen.messages_come++;
	/* What fails again with every refresh is worth one line in the end. */
	if (last && strcmp(last, text) == 0)
		return;
	free(screen.messages[i]);
	screen.messages[i] = strdup(text);
	screen.message_count++;
}

const char *screen_message(size_t *ret_count)
{
	*ret_count = screen.messages_come;
	return screen.message_count ? screen.messages[(screen.message_count - 1) % MESSAGES_MAX]
				    : NULL;
}

void screen_capture_messages(void)
{
	message_set_sink(capture_message, NULL);
}

void screen_release_messages(void)
{
	size_t count = screen.message_count;
	size_t i = count > MESSAGES_MAX ? count - MESSAGES_MAX : 0;

	if (screen.terminal)
		return;
	message_set_sink(NULL, NULL);
	for (; i < count; i++) {
		char **text = &screen.messages[i % MESSAGES_MAX];

		if (*text)
			message_error("%s", *text);
		free(*text);
		*text = NULL;
	}
	screen.message_count = screen.messages_come = 0;
}

/* https://no-color.org: set and not empty. start_color() alone would already send a colour. */
static void choose_attributes(void)
{
	const char *no_color = getenv("NO_COLOR");
	size_t i;

	memcpy(screen.attributes, plain_attributes, sizeof(screen.attributes));
	screen.colour = false;
	if ((no_color && *no_color) || !has_colors() || start_color() == ERR)
		return;
	if (COLORS < 8 || use_default_colors() == ERR)
		return;
	screen.colour = true;
	for (i = 0; i < array_size(role_colours); i++) {
		short pair = (short)(i + 1);

		if (init_pair(pair, role_colours[i].colour, -1) == OK)
			screen.attributes[role_colours[i].role] |= COLOR_PAIR(pair);
	}
}

static void set_input(void)
{
	size_t i;

	cbreak();
	noecho();
	nonl();
	set_escdelay(ESCAPE_DELAY);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	for (i = 0; i < array_size(more_keys); i++)
		if (!key_defined(more_keys[i].sequence))
			define_key(more_keys[i].sequence, more_keys[i].key);
}

/* Asked first because newterm() would write to the terminal, and keep memory when it fails. */
static bool terminal_can_place_text(void)
{
	int status;
	const char *cup;

	if (setupterm(NULL, STDOUT_FILENO, &status) == ERR)
		return false;
	cup = tigetstr("cup");
	del_curterm(cur_term);
	return cup && cup != (const char *)-1;
}

/* Appends a capability without the padding ("$<5>") that only tputs() understands. */
static void remember_capability(const char *name)
{
	const char *text = tigetstr(name);

	if (!text || text == (const char *)-1)
		return;
	while (*text && screen.restore_length < RESTORE_MAX) {
		if (text[0] == '$' && text[1] == '<') {
			text += strcspn(text, ">");
			text += *text == '>';
			continue;
		}
		screen.restore[screen.restore_length++] = *text++;
	}
}

/*
 * Puts the terminal in order as far as it lets itself be written to. All of it may be called from
 * a signal handler.
 */
static void restore_without_waiting(void)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);

	tcsetattr(STDIN_FILENO, TCSANOW, &screen.termios);
	if (flags < 0 || fcntl(STDOUT_FILENO, F_SETFL, flags | O_NONBLOCK) < 0)
		return;
	(void)!write(STDOUT_FILENO, screen.restore, screen.restore_length);
	(void)fcntl(STDOUT_FILENO, F_SETFL, flags);
}

static void leave_at_once(int signal_number)
{
	(void)signal_number;
	restore_without_waiting();
	_exit(0);
}

/* The terminal takes nothing: it is stopped (Ctrl-S) or its other end does not read. */
static bool output_is_stuck(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	return poll(&out, 1, 0) <= 0 || !(out.revents & POLLOUT);
}

/*
 * Around what may have to wait for the terminal amid its output: the signals that end the program
 * are read by the event loop, which would not come to it.
 */
static void let_signals_end_output(bool let)
{
	static const int signals[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};
	struct sigaction action = {.sa_handler = let ? leave_at_once : SIG_DFL};
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < array_size(signals); i++)
		sigaddset(&set, signals[i]);
	/* Blocked before the handlers go, unblocked after they are there. */
	if (!let)
		sigprocmask(SIG_BLOCK, &set, NULL);
	for (i = 0; i < array_size(signals); i++)
		sigaction(signals[i], &action, NULL);
	if (let)
		sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int screen_open(void)
{
	static bool registered;

	if (screen.terminal)
		return 0;
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return -ENOTTY;
	if (!terminal_can_place_text())
		return -EINVAL;
	if (tcgetattr(STDIN_FILENO, &screen.termios) < 0)
		return -errno;
	/* Not initscr(), which ends the program when it fails. */
	screen.terminal = newterm(NULL, stdout, stdin);
	if (!screen.terminal)
		return -EINVAL;
	if (!registered)
		registered = atexit(screen_close) == 0;
	screen.restore_length = 0;
	remember_capability("sgr0");
	remember_capability("cnorm");
	remember_capability("rmcup");
	screen_capture_messages();
	screen.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	set_input();
	choose_attributes();
	screen_resize();
	return 0;
}

void screen_close(void)
{
	if (!screen.terminal)
		return;
	if (output_is_stuck())
		restore_without_waiting();
	else
		endwin();
	delscreen(screen.terminal);
	screen.terminal = NULL;
	screen_release_messages();
}

bool screen_utf8(void)
{
	return screen.utf8;
}

void screen_size(int *ret_width, int *ret_height)
{
	int height, width;

	getmaxyx(stdscr, height, width);
	*ret_width = width < 1 ? 1 : width;
	*ret_height = height < 1 ? 1 : height;
}

void screen_resize(void)
{
	struct winsize size;

	/* A serial console knows no size: then the terminal description's stays. */
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
		return;
	if (is_term_resized(size.ws_row, size.ws_col))
		resizeterm(size.ws_row, size.ws_col);
}

void screen_suspend(void)
{
	endwin();
}

void screen_resume(void)
{
	/* The next screen_draw() turns the terminal's modes on again. */
	screen_resize();
	clearok(curscr, TRUE);
}

/*
 * Turns clean UTF-8 into what ncurses puts into as many cells as text_width() counted: what the
 * locale cannot show becomes "?". Returns the number of wide characters.
 */
static int widen(const char *text, wchar_t *out, size_t room)
{
	mbstate_t state = {0};
	size_t length = strlen(text), count = 0;

	while (length && count < room) {
		const unsigned char c = (unsigned char)*text;
		wchar_t wide = (wchar_t)c;
		size_t step = 1;

		if (c >= 0x80 && screen.utf8) {
			step = mbrtowc(&wide, text, length, &state);
			if (step == (size_t)-1 || step == (size_t)-2) {
				state = (mbstate_t){0};
				step = 1;
				wide = L'?';
			} else if (wcwidth(wide) < 0) {
				wide = L'?';
			}
		} else if (c >= 0x80) {
			wide = L'?';
			while (step < length && ((unsigned char)text[step] & 0xc0) == 0x80)
				step++;
		}
		out[count++] = wide;
		text += step;
		length -= step;
	}
	return (int)count;
}

/* Whatever curses thinks of a span, the others can still be shown: its results do not matter. */
static void draw_span(const struct view_span *span)
{
	size_t room = strlen(span->text) + 1;
	wchar_t *wide = calloc(room, sizeof(*wide));

	if (!wide)
		return;
	attrset((int)screen.attributes[span->role]);
	mvaddnwstr(span->row, span->col, wide, widen(span->text, wide, room - 1));
	attrset(A_NORMAL);
	free(wide);
}

void screen_draw(const struct view_spans *spans)
{
	bool cursor = spans->cursor_row >= 0;
	size_t i;

	/* The next refresh tries again; meanwhile signals and keys are heard. */
	if (output_is_stuck())
		return;
	erase();
	for (i = 0; i < spans->count; i++)
		draw_span(&spans->list[i]);
	curs_set(cursor);
	if (cursor)
		move(spans->cursor_row, spans->cursor_col);
	let_signals_end_output(true);
	refresh();
	let_signals_end_output(false);
}

static uint32_t translate_key(wint_t key)
{
	switch (key) {
	case KEY_UP:
		return SCREEN_KEY_UP;
	case KEY_DOWN:
		return SCREEN_KEY_DOWN;
	case KEY_LEFT:
		return SCREEN_KEY_LEFT;
	case KEY_RIGHT:
		return SCREEN_KEY_RIGHT;
	case KEY_PPAGE:
		return SCREEN_KEY_PAGE_UP;
	case KEY_NPAGE:
		return SCREEN_KEY_PAGE_DOWN;
	case KEY_HOME:
		return SCREEN_KEY_HOME;
	case KEY_END:
		return SCREEN_KEY_END;
	case KEY_ENTER:
		return SCREEN_KEY_ENTER;
	case KEY_BACKSPACE:
		return SCREEN_KEY_BACKSPACE;
	default:
		return SCREEN_KEY_OTHER;
	}
}

/* Reads a character or key without waiting. A resize is told by SIGWINCH and is no key. */
static int read_wide(wint_t *ret_key)
{
	int r;

	do
		r = get_wch(ret_key);
	while (r == KEY_CODE_YES && *ret_key == KEY_RESIZE);
	return r;
}

/*
 * After an escape character: the key itself, or a sequence that terminfo does not know, whose rest
 * must not be taken for keys.
 */
static uint32_t read_escape(void)
{
	wint_t key;
	int r = read_wide(&key);

	if (r == OK && key != '[' && key != 'O')
		unget_wch((wchar_t)key);
	else if (r == KEY_CODE_YES)
		ungetch((int)key);
	if (r != OK || (key != '[' && key != 'O'))
		return SCREEN_KEY_ESCAPE;
	while (read_wide(&key) == OK && key < 0x40)
		;
	return SCREEN_KEY_OTHER;
}

uint32_t screen_read_key(void)
{
	wint_t key;
	int r = read_wide(&key);

	if (r == ERR)
		return SCREEN_KEY_NONE;
	if (r == KEY_CODE_YES)
		return translate_key(key);
	switch (key) {
	case '\r':
	case '\n':
		return SCREEN_KEY_ENTER;
	case 0x08:
	case 0x7f:
		return SCREEN_KEY_BACKSPACE;
	case 0x1b:
		return read_escape();
	default:
		return key;
	}
}
