using System.Runtime.CompilerServices;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>One front end, as the back end in a service VM serves it.</summary>
/// <param name="cpu">The processor of the service VM.</param>
/// <param name="calls">Its hypercalls.</param>
/// <param name="executor">Who carries requests out.</param>
/// <param name="ports">The ports that the front end sees.</param>
/// <param name="number">Its number.</param>
/// <param name="notified">What it raises.</param>
/// <param name="pages">Two pages for requests that come as calls.</param>
/// <param name="journal">Where is noted how far requests came; null for nowhere.</param>
internal sealed class ServedFrontEnd(
    ICpu cpu, ServiceCalls calls, UrbExecutor executor, BackEndPorts ports, int number, Signal notified, MemoryBuffer pages, UrbJournal? journal)
{
    /// <summary>The ports that it sees.</summary>
    public BackEndPorts Ports => ports;

    /// <summary>It wants to connect.</summary>
    /// <param name="isCalled">Whether its requests come as calls.</param>
    public async ValueTask Connect(bool isCalled)
    {
        if (isCalled)
            pages.Write(0, new byte[pages.Length]);
        HypercallResult result = await calls.Gate.Call(Hypercall.AcceptUsb, (ulong)number, BackEndPorts.Count, isCalled ? pages.Address.Value : 0);
        if (result.Refusal != DmaRefusal.None)
        {
            _ = await calls.Gate.Call(Hypercall.ReleaseUsb, (ulong)number);
            return;
        }

        GuestPhysicalAddress rings = new(result.Value);
        BackEndConnection connection = new(
            cpu.Processor,
            executor,
            ports.All,
            (new(cpu, rings, UrbRequest.Size), new(cpu, rings + SharedRing.PageBytes, PlugEvent.Size)),
            notified,
            Wake,
            journal);
        ports.Connection = connection;
        cpu.Processor.Loop.Start(connection.Serve);
    }

    /// <summary>It wants to leave: what is under way ends first.</summary>
    public async ValueTask Disconnect()
    {
        if (ports.Connection is { } connection)
            await connection.Close(isShutdown: false);
        ports.Connection = null;
        _ = await calls.Gate.Call(Hypercall.ReleaseUsb, (ulong)number);
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask Wake() => _ = await calls.Gate.Call(Hypercall.NotifyFrontEnd, (ulong)number);
}
