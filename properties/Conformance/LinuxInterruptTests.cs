using System.Globalization;
using System.Text.Json.Nodes;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>The interrupt table of a kernel that ran with remapping on, used by a unit: each entry does what others decoded from it.</summary>
public sealed class LinuxInterruptTests : IInterruptSink
{
    private readonly List<MessageInterrupt> _messages = [];

    void IInterruptSink.Deliver(MessageInterrupt message) => _messages.Add(message);

    [Theory]
    [InlineData("legacy48")]
    [InlineData("sm-ss")]
    [InlineData("pt48")]
    public void Each_interrupt_that_Linux_set_up_arrives_where_it_wanted_and_from_nobody_else(string name)
    {
        string image = SharedFiles.Require($"corpora/linux-tables/{name}.mem.gz");
        JsonNode expected = JsonNode.Parse(File.ReadAllText(SharedFiles.Require($"corpora/linux-tables/{name}.expected.json")))!;
        Assert.True(MemoryImage.TryLoad(image, MemoryImageFormat.Detect, default, out PhysicalMemory? memory, out string error), error);
        using PhysicalMemory loaded = memory;
        RemappingUnit unit = new(loaded, this, HardwareProfile.From(
            new(new(Number(expected["registers"]!["VER"]!))),
            new(new(Number(expected["registers"]!["CAP"]!))),
            new(new(Number(expected["registers"]!["ECAP"]!))),
            48));
        unit.Write(RegisterOffsets.InterruptTableAddress, 8, Number(expected["registers"]!["IRTA"]!));
        unit.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { SetInterruptRemapTablePointer = true }.Raw.Value);
        unit.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { InterruptRemappingEnable = true }.Raw.Value);

        Dictionary<int, JsonNode> present = expected["irt"]!["present"]!.AsArray().ToDictionary(entry => (int)entry!["index"]!, entry => entry!);
        Assert.NotEmpty(present);
        for (int index = 0; index < (int)expected["irt"]!["entries"]!; index++)
        {
            if (!present.TryGetValue(index, out JsonNode? entry))
            {
                Assert.Equal(DmaStatus.Blocked, Send(unit, new(0, 0, 0), index));
                continue;
            }

            // Each of them names its requester; destinations are xAPIC ids.
            Assert.Equal(1, (int)entry["svt"]!);
            SourceId source = new((ushort)Number(entry["sid"]!));
            Assert.Equal(DmaStatus.Blocked, Send(unit, new((ushort)(source.Value ^ 0x100)), index));
            Assert.Empty(_messages);
            Assert.Equal(DmaStatus.Success, Send(unit, source, index));
            MessageInterrupt message = Assert.Single(_messages);
            Assert.Equal(
                ((int)entry["vector"]!, Number(entry["dest"]!) >> 8, (int)entry["dlm"]!, (int)entry["tm"]! != 0),
                (message.Vector, message.Destination, message.DeliveryMode, message.IsLevel));
            _messages.Clear();
        }

        Assert.Empty(_messages);
        Assert.Equal((ulong)present.Count, unit.InterruptStatistics.Remapped);
    }

    private static DmaStatus Send(RemappingUnit unit, SourceId source, int index)
    {
        InterruptRequestAddress address = new InterruptRequestAddress(new(InterruptRange.First)) with { IsRemappable = true, Handle = index };
        return unit.Open(source).Write(new(address.Raw.Value), new byte[4]);
    }

    private static ulong Number(JsonNode node) => ulong.Parse(((string)node!)[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
