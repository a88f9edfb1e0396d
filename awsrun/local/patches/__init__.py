"""What is changed inside moto: few, small, one file each, every one with a contract test in tests/contract.

A patch is a function that takes a freshly imported module of moto; it is applied when moto first loads that module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from awsrun.local.blobs import Blobs
from awsrun.local.imports import Hook
from awsrun.local.patches import (
    apigateway,
    backends,
    dynamodb,
    dynamodb_speed,
    ec2_instances,
    ec2_key_pairs,
    ec2_network,
    ec2_templates,
    ecr,
    functions,
    iam,
    s3,
    speed,
)


def patches(blobs: Blobs) -> Mapping[str, Sequence[Hook]]:
    """All patches, by the module that they are for."""
    return {
        "moto.awslambda.models": [functions.whole_configuration],
        "moto.apigateway.models": [
            apigateway.deployments_are_copies,
            apigateway.whole_bodies,
            apigateway.missing_apis,
        ],
        "moto.apigateway.responses": [apigateway.tags_and_twins],
        "moto.apigateway.urls": [apigateway.paths_of_tags],
        "moto.awslambda.policy": [apigateway.statement_ids_are_unique],
        "moto.core.base_backend": [backends.same_every_time],
        "moto.core.responses": [speed.method_names_once],
        "moto.core.serialize": [dynamodb_speed.attribute_values_as_they_are],
        "moto.dynamodb.models.table": [dynamodb_speed.query_one_partition],
        "moto.dynamodb.parsing.ast_nodes": [speed.walk_quickly],
        "moto.dynamodb.parsing.executors": [dynamodb.refuse_updates_as_a_whole],
        "moto.dynamodb.parsing.expressions": [speed.parse_once],
        "moto.dynamodb.responses": [dynamodb.refuse_large_batches],
        "moto.ec2.models.key_pairs": [ec2_key_pairs.fingerprints],
        "moto.ec2.models.amis": [ec2_instances.images],
        "moto.ec2.models.elastic_ip_addresses": [ec2_instances.moved_addresses],
        "moto.ec2.models.elastic_network_interfaces": [ec2_instances.fixed_addresses],
        "moto.ec2.models.iam_instance_profile": [ec2_instances.replaced_profiles],
        "moto.ec2.models.instances": [ec2_instances.interfaces_that_go_with_it, ec2_instances.tagged_interfaces],
        "moto.ec2.models.launch_templates": [ec2_templates.living_tags, ec2_templates.unknown_names],
        "moto.ec2.models.nat_gateways": [ec2_network.nat_gateways],
        "moto.ec2.models.route_tables": [ec2_network.one_route_table],
        "moto.ec2.models.vpcs": [ec2_network.endpoints],
        "moto.ec2.responses.key_pairs": [ec2_key_pairs.by_id],
        "moto.ec2.responses.vpcs": [ec2_network.private_dns],
        "moto.ecr.models": [ecr.digest_of_the_manifest],
        "moto.iam.models": [iam.managed_policies, iam.linked_role_names],
        "moto.iam.responses": [iam.instance_profile_tags],
        "moto.s3.models": [s3.values_in_blobs(blobs), s3.policies_are_not_motos],
        "moto.s3.responses": [s3.tags_at_creation, s3.regions_in_lists],
    }
