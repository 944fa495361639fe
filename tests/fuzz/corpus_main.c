/*
 * Runs a fuzz target without a fuzzer: over each file of the given folders, and over what is left of it when one of its
 * bytes is missing, changed, or when it ends early. The same every time.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of its very size, so that a sanitizer sees each byte too far. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void run_around(uint8_t *data, size_t size)
{
	static const uint8_t others[] = "\"{(;\\/\xff";
	static uint8_t less[INPUT_MAX];

	run(data, size);
	for (size_t i = 0; i < size; i++) {
		uint8_t kept = data[i];

		run(data, i);
		memcpy(less, data, i);
		memcpy(less + i, data + i + 1, size - i - 1);
		run(less, size - 1);
		data[i] = others[i % (sizeof(others) - 1)];
		run(data, size);
		data[i] = kept;
	}
}

static int run_file(const char *path)
{
	static uint8_t data[INPUT_MAX];
	FILE *f = fopen(path, "rb");
	size_t size;

	if (!f) {
		perror(path);
		return -1;
	}
	size = fread(data, 1, sizeof(data), f);
	fclose(f);
	run_around(data, size);
	return 0;
}

static size_t run_folder(const char *path)
{
	DIR *folder = opendir(path);
	char file[4096];
	size_t n = 0;

	if (!folder) {
		perror(path);
		return 0;
	}
	for (struct dirent *e; (e = readdir(folder));) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		if (run_file(file) != 0)
			break;
		n++;
	}
	closedir(folder);
	return n;
}

int main(int argc, char **argv)
{
	size_t n = 0;

	for (int i = 1; i < argc; i++)
		n += run_folder(argv[i]);
	printf("%zu inputs and what is around them\n", n);
	return n ? 0 : 1;
}
