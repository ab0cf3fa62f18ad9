/* A security as the environment of the process says it. */
#include "devices/security.h"

#include <stdlib.h>
#include <string.h>

/* NULL: it is not there, or empty. */
static const char *variable (const char *name)
{
    const char *value = getenv (name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* What is of no use without a key was not meant to be left out. */
static int check_lonely (zf_error_t *err)
{
    static const char *const names[] = {"ZFERRY_AUTHORISED", "ZFERRY_SERVER_KEY", "ZFERRY_RULES"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (variable (names[i]) != NULL)
            return zf_error_set (err, ZF_E_INVAL, "%s is of no use without ZFERRY_KEY", names[i]);
    }
    return 0;
}

int zf_security_environment (zf_security_t **security, zf_error_t *err)
{
    const char *insecure = variable ("ZFERRY_INSECURE");
    zf_security_options_t options;
    *security = NULL;
    zf_security_defaults (&options);
    options.key = variable ("ZFERRY_KEY");
    options.authorised = variable ("ZFERRY_AUTHORISED");
    options.server_key = variable ("ZFERRY_SERVER_KEY");
    options.rules = variable ("ZFERRY_RULES");
    if (options.key == NULL && check_lonely (err) != 0)
        return ZF_E_INVAL;
    if (insecure == NULL || strcmp (insecure, "1") != 0)
        return options.key != NULL ? zf_security_open (security, &options, err) : 0;
    if (options.key != NULL)
        return zf_error_set (err, ZF_E_INVAL, "ZFERRY_INSECURE and ZFERRY_KEY: only one of them");
    *security = zf_security_insecure ();
    return 0;
}
