# cmake -DPROGRAM=.. -DCODE=.. -DOUTPUT=.. -P ZferryCompletion.cmake
# The tables that the program prints, and the code that looks into them, in one file.
execute_process (COMMAND "${PROGRAM}" help --completion OUTPUT_VARIABLE tables
                 COMMAND_ERROR_IS_FATAL ANY)
file (READ "${CODE}" code)
file (WRITE "${OUTPUT}" "${tables}${code}")
