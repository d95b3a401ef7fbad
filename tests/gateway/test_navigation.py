"""The menu: it leads to pages that are there, and shows nobody what would not let them in."""

from contracts.gateway.access import Scope
from gateway.pages.navigation import MENU, menu
from tests.gateway.conftest import Gateway, needed


async def test_each_place_of_the_menu_is_a_page_that_lets_in_whom_it_is_shown_to(gateway: Gateway) -> None:
    routes = needed(gateway.app)
    for _, places in MENU:
        for place in places:
            assert routes["GET", "/t/{tenant}" + place.path] == [place.needs], place


def test_a_group_of_which_somebody_may_see_nothing_is_not_there() -> None:
    assert [(group, [place.text for place in places]) for group, places in menu({Scope.SELF})] == [
        ("System", ["Reference"]),
        ("Settings", ["Your account"]),
    ]
