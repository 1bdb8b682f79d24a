using System.Text.Json.Serialization;

namespace Dma.Lab;

/// <summary>How the results of rogue devices become JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(List<RogueResult>))]
internal sealed partial class RogueJson : JsonSerializerContext;
