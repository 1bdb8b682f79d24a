using Dma.Machine;

namespace Dma.Hal;

/// <summary>A way to the configuration space of every function.</summary>
public interface IPciConfiguration
{
    /// <summary>The configuration space of one function, whether or not a function is there.</summary>
    IConfigurationAccess Open(SourceId function);
}
