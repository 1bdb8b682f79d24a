using System.CommandLine;

namespace Dma.Lab;

/// <summary>A verb that shows a controller shared between VMs.</summary>
internal abstract class SharingVerb : TracedVerb
{
    private readonly NumberOption<int> _vms = new("--vms", "N", "How many VMs share the controller", 2, 8, 3);

    /// <inheritdoc cref="Verb"/>
    protected SharingVerb(string name, string description, Terminal terminal)
        : base(name, description, terminal) => Add(_vms);

    /// <inheritdoc/>
    protected sealed override int Run(ParseResult line, ulong seed, FileStream? trace, bool isJson) => Run(line, line.GetValue(_vms), seed, trace, isJson);

    /// <summary>Runs it.</summary>
    /// <param name="line">The command line.</param>
    /// <param name="vms">How many VMs.</param>
    /// <param name="seed">What the bytes of the disks come from.</param>
    /// <param name="trace">Where a timeline goes, or null.</param>
    /// <param name="isJson">Whether the report is JSON.</param>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    protected abstract int Run(ParseResult line, int vms, ulong seed, FileStream? trace, bool isJson);
}
