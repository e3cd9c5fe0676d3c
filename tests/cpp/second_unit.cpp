// second_unit.cpp - the header in another unit of the same program: nothing is defined twice.
#include <cognite/cognite.hpp>

std::string second_unit(const cognite::client& client, const std::string& url) {
  return std::string(client.get(url, R"({"limit": 1})").body());
}
