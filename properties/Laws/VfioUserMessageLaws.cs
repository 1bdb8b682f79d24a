using Dma.Lab;
using Dma.Machine;
using FsCheck.Fluent;
using Microsoft.Win32.SafeHandles;

namespace Dma.Properties;

/// <summary>What holds for whatever a client sends.</summary>
public sealed class VfioUserMessageLaws
{
    private const int MessagesMax = 120;

    [Fact]
    public void Whatever_messages_come_nothing_breaks_and_nothing_but_mapped_memory_can_be_reached()
    {
        int messages = 0;
        Property.Check(
            Generate.Program(from message in VfioUserMessages.Commands from descriptors in Gen.Choose(0, 5) select (message, descriptors), MessagesMax),
            program =>
            {
                using VfioUserBench bench = new();
                using SafeFileHandle memory = UnixDescriptors.CreateMemory(64 * 4096, isSealed: true);
                foreach (((VfioUserCommand command, byte[] payload), int descriptors) in program)
                {
                    messages++;
                    ErrorNumber error = bench.Try(command, payload, out byte[] reply, Descriptors(memory, descriptors));
                    Assert.True(error is ErrorNumber.None || Enum.IsDefined(error));
                    Assert.True(reply.Length <= MessageReader.MessageMax - MessageHeader.Bytes);
                }

                // Whatever the mappings are now, they are exactly what the function reaches.
                bench.EnableBusMaster();
                HashSet<ulong> reached = [];
                for (ulong page = 0; page < 70; page++)
                {
                    if (bench.Machine.Remapping.ExtendedCapabilities.QueuedInvalidation && Reaches(bench, page * 4096))
                        _ = reached.Add(page);
                }

                Assert.True(reached.Count == 0 || bench.Session.Memory.Count != 0);
                bench.Session.Memory.UnmapAll();
                foreach (ulong page in reached)
                    Assert.False(Reaches(bench, page * 4096));

                // The next client finds a function that works and nothing of this one.
                bench.Next();
                Assert.Equal(0x1234_8086u, bench.Read32(VfioUserBench.Configuration, 0));
                Assert.Equal(0, bench.Session.Memory.Count);
                _ = Assert.Single(bench.Machine.Memory.Extents);
            },
            count: 70);
        Assert.True(messages > 3_000 * Property.Depth, $"{messages} messages");
    }

    private static bool Reaches(VfioUserBench bench, ulong address)
    {
        DmaStatus status = bench.Function.Port.Read(new(address), new byte[8]);
        Assert.True(status is DmaStatus.Success or DmaStatus.Blocked or DmaStatus.Unclaimed);
        return status == DmaStatus.Success;
    }

    // None, or some of the right kind, the wrong kind, or too many.
    private static SafeFileHandle[] Descriptors(SafeFileHandle memory, int kind) => kind switch
    {
        2 => [VfioUserBench.Share(memory)],
        3 => [UnixDescriptors.CreateEvent()],
        4 => [UnixDescriptors.CreateEvent(), VfioUserBench.Share(memory)],
        5 => [VfioUserBench.Share(memory)],
        _ => [],
    };
}
