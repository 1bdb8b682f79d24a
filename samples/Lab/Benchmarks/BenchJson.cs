using System.Text.Json.Serialization;
using Dma.Workloads;

namespace Dma.Lab;

/// <summary>How measurements become JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(List<Measurement>))]
internal sealed partial class BenchJson : JsonSerializerContext;
