#:project Lab/Lab.csproj
#:property PublishAot=false

// Eight small devices with one bad habit each: they forge interrupts, translations and names, keep what they were told to
// forget, and flood the system. Each is assigned to a VM that has a neighbour, with what stands against it on and then off.
// docs/rogue-devices.md explains the lines. Run it with: dotnet run samples/06-rogue-devices.cs
using Dma.Lab;

string habit = "";
foreach (RogueResult result in RogueTrials.Run())
{
    // 1. What it does: docs/rogue-devices.md says which file of samples/Devices/Rogues does it.
    if (result.Habit != habit)
        Console.WriteLine($"It {habit = result.Habit}.");

    // 2. What stands against it, what the bus said, and what came of it.
    Console.WriteLine($"  {result.Protection} {(result.IsOn ? "on" : "off")}: {result.Status}, reached {result.Reached}");
    foreach (string record in result.Records)
        Console.WriteLine($"    recorded: {record}");
}

// It prints:
// It raises the interrupt of its neighbour.
//   interrupt remapping on: Blocked, reached nothing
//     recorded: 25h: CompatibilityInterruptBlocked
//     recorded: DSTS Ah: errors at the port
//   interrupt remapping off: Success, reached 1 interrupt of the neighbour
// It raises its own interrupt 1000 times.
//   posted delivery on: Success, reached nothing
//   posted delivery off: Success, reached 1000 exits
// It writes memory of its neighbour as an address that it translated.
//   translation blocking at the port on: AccessViolation, reached nothing
//     recorded: DSTS 2h: errors at the port
//   no trust in the context entry on: Blocked, reached nothing
//     recorded: 44h: DeviceTlbDisabled
//     recorded: DSTS Ah: errors at the port
//   both off: Success, reached 64 bytes changed
// It uses a translation that it was told to forget.
//   no trust in the context entry on: Blocked, reached nothing
//     recorded: 79h: ScalableSecondStageNotPresent
//     recorded: DSTS Ah: errors at the port
//   no trust in the context entry off: Success, reached 64 bytes changed
// It asks for 5000 pages at once.
//   no page requests in the context entry on: Success, reached nothing
//     recorded: 47h: PageRequestsDisabled
//   no page requests in the context entry off: Success, reached 127 requests for the host
//     recorded: PRO: the queue of page requests was full
// It writes to its neighbour's buffer in the neighbour's name.
//   source validation at the port on: AccessViolation, reached nothing
//     recorded: DSTS 2h: errors at the port
//   source validation at the port off: Success, reached 64 bytes changed
// It writes to its buffer after it was taken back.
//   invalidation on: Blocked, reached nothing
//     recorded: 79h: ScalableSecondStageNotPresent
//     recorded: DSTS Ah: errors at the port
//   invalidation off: Success, reached 64 bytes changed
// It reads the interrupt range.
//   translation on: Blocked, reached nothing
//     recorded: 29h: InterruptRangeRequest
//     recorded: DSTS 9h: errors at the port
//   translation off: Blocked, reached nothing
//     recorded: DSTS 9h: errors at the port
