"""EC2's launch templates: their tags can change, and what is not there is said to be not there."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any


def living_tags(module: ModuleType) -> None:
    """Patch ``moto.ec2.models.launch_templates``: moto shows the tags of the create call for ever."""

    def tags(self: Any) -> Any:
        return self.get_tags()

    def ignore(self: Any, given: Any) -> None:
        """What moto keeps at creation is not looked at."""

    module.LaunchTemplate.tags = property(tags, ignore)


def unknown_names(module: ModuleType) -> None:
    """Patch ``moto.ec2.models.launch_templates``: moto says of an unknown name that none was given, and of an unknown
    id that it is an unknown name, or nothing at all."""
    delete, describe = (
        module.LaunchTemplateBackend.delete_launch_template,
        module.LaunchTemplateBackend.describe_launch_templates,
    )

    @functools.wraps(delete)
    def delete_launch_template(self: Any, name: str, tid: str | None) -> Any:
        found = self.get_launch_template_by_name(name) if name else self.get_launch_template(tid)
        return delete(self, "", found.id)

    @functools.wraps(describe)
    def describe_launch_templates(
        self: Any, template_names: list[str] | None = None, template_ids: list[str] | None = None, filters: Any = None
    ) -> Any:
        for one in template_ids or ():
            self.get_launch_template(one)
        return describe(self, template_names, template_ids, filters)

    module.LaunchTemplateBackend.delete_launch_template = delete_launch_template
    module.LaunchTemplateBackend.describe_launch_templates = describe_launch_templates
