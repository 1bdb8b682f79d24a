using System.Runtime.InteropServices;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Drivers;

/// <summary>Statistics, to the VMM and from it.</summary>
/// <param name="driver">The driver, with <see cref="ManagementModes.Statistics"/> on.</param>
public sealed class ManagementReports(ManagementDriver driver)
{
    /// <summary>Tells the VMM what this guest needs.</summary>
    public async ValueTask<ManagementResult> Report(ManagementDemand demand)
    {
        byte[] bytes = new byte[ManagementDemand.Size];
        MemoryMarshal.Write(bytes, demand.Raw);
        return (await driver.Execute(new() { Command = ManagementCommand.Report }, bytes)).Result;
    }

    /// <summary>What is known of a participant; null where the VMM does not say.</summary>
    /// <param name="participant">Whose; 0 for the caller.</param>
    public async ValueTask<ManagementStatistics?> Query(uint participant = 0)
    {
        ManagementRequest request = new() { Command = ManagementCommand.Query, Destination = participant };
        ManagementReply reply = await driver.Execute(request, outputLength: ManagementStatistics.Size);
        return reply.Result == ManagementResult.Done ? new(MemoryMarshal.Read<Bits512>(reply.Output.Span)) : null;
    }
}
