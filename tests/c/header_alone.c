/* header_alone.c - the header compiles by itself, first and twice, and its constants can be used by the preprocessor. */
#include <cognite/cognite.h>
#include <cognite/cognite.h>

#if COGNITE_VERSION_NUMBER < 0x000100 || COGNITE_OK != 0 || COGNITE_ERR_INTERNAL != 99 || COGNITE_RETRY_UNSAFE != 2
#error "constants"
#endif

int main(void) {
  cognite_request request = COGNITE_REQUEST_INIT;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  return request.struct_size == sizeof request && notify.struct_size == sizeof notify ? 0 : 1;
}
